"""KnowUnDo: what of copyrighted books and private lives must go, and what near it must stay. Tian et al. 2024,
arXiv:2407.01920.

Files (zjunlp/KnowUnDo on the Hub, configurations copyright and privacy, splits unlearn and retention; MIT): one object
a file with two lists, `train` and `val`, of rows with `text` (the request) and `labels` (the answer). A folder in
EXPUNGE_KNOWUNDO holds `copyright/unlearn.json`, `copyright/retention.json` and the same for `privacy`, as the Hub does.

- forget and retain train with the `train` lists. The published models have learnt the `val` lists, too; they are only
  measured, as the official evaluation does, and `training` leaves them out.
- Convention: request, a blank line, answer, no end token, as the official evaluation joins them (it cuts at 256
  tokens; here nothing is cut, and the blank line is no part of the answer).

The file of the copyright domain repeats excerpts of books; see the publisher's card before passing reports on.
"""

from expunge.config import ConventionConfig, EvaluateConfig
from expunge.data.checking import examples_of
from expunge.data.example import Example, Sets
from expunge.data.problems import Place, Problems
from expunge.data.rows import Row, Table
from expunge.errors import UnknownNameError
from expunge.suites import suites
from expunge.suites.files import Files
from expunge.suites.suite import Suite

DOMAINS = ("privacy", "copyright")
METRICS = ("probability", "extraction_strength", "exact_memorization", "rouge_l_recall", "perplexity")


@suites.add(
    "knowundo",
    variants=DOMAINS,
    size="two domains, each with requests to forget and to keep",
    source="zjunlp/KnowUnDo",
    licence="MIT",
    paper="arXiv:2407.01920",
)
def knowundo(variant: str) -> Suite:
    """Raises UnknownNameError for another variant, DataError for what is wrong with the files."""
    variant = variant or DOMAINS[0]
    if variant not in DOMAINS:
        raise UnknownNameError(f"knowundo has no variant {variant!r}. Known: {', '.join(DOMAINS)}")
    files = Files("EXPUNGE_KNOWUNDO", Problems())
    forget, forget_val = _both(files, variant, "unlearn")
    retain, retain_val = _both(files, variant, "retention")
    return Suite(
        name=f"knowundo:{variant}",
        sets=files.checked(Sets(forget=forget, retain=retain)),
        utility={"retain, further requests": retain_val},
        convention=ConventionConfig(template="{prompt}\n\n{answer}", end=False, max_length=2048),
        evaluate=EvaluateConfig(metrics=METRICS, max_new_tokens=128),
        notes=("published models have learnt the further requests as well",),
        probes={"forget, further requests": forget_val},
    )


def _both(files: Files, domain: str, split: str) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """The lists `train` and `val` of one file."""
    table = files.read(f"{domain}/{split}", hub=f"zjunlp/KnowUnDo:{domain}:{split}")
    train, val = (_rows(table, part, files.problems) for part in ("train", "val"))
    columns = {"text": "prompt", "labels": "answer"}
    return (
        tuple(examples_of(train, files.problems, columns)),
        tuple(examples_of(val, files.problems, columns)),
    )


def _rows(table: Table, part: str, problems: Problems) -> Table:
    """The entries of a list as rows "privacy/unlearn.json, train#3"."""
    found = Table(f"{table.file}, {part}")
    for row in table.rows:
        entries = row.values.get(part)
        if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
            problems.add(row.place, part, "must be a list of rows with `text` and `labels`")
            continue
        found.rows.extend(Row(Place(found.file, row=i), each) for i, each in enumerate(entries, start=1))
    return found
