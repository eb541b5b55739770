"""MUSE: news articles and Harry Potter books, asked for word by word and by question. Shi et al. 2024,
arXiv:2407.06460.

Files (muse-bench/MUSE-News and MUSE-Books on the Hub, CONFIG:SPLIT; the publisher's load_data.py writes them as
`news/CONFIG/SPLIT.json` and `books/…`, which a folder in EXPUNGE_MUSE follows; licence CC BY 4.0 as the Hub's cards
say): `raw` has documents (`text`; News 889 to forget, 1,777 in retain1, 1,778 in retain2, 3,043 in holdout; Books 4
books to forget), `knowmem` questions (`question`, `answer`; 100 each in forget_qa and retain_qa, ten examples for the
prompt in forget_qa_icl and retain_qa_icl), `verbmem:forget` passages (`prompt`, `gt`), `privleak` 100 documents each of
forget, retain and holdout, `scal` and `sust` (News) the forget sets forget_1 to forget_4 of growing and successive
requests.

- forget and retain train with documents (`raw:forget`, `raw:retain1`), cut into pieces of at most 6,000 characters;
  the official code cuts every 2,048 tokens.
- Measured: verbatim continuation and questions about what must go, questions about what stays, membership documents.
- Convention: no chat template. A question follows its ten solved examples as text, as in the official evaluation
  (`Question: …`, `Answer: …`, a blank line between them); the blank before an answer belongs to the answer here.

Deviations in what is measured: those of `verbatim_memory` and `knowledge_memory`. Membership documents and the holdout
set are continued as well (from their first tokens on): the level of texts that were never seen. PrivLeak is no metric
of one set.
"""

from collections.abc import Iterator
from dataclasses import replace

from expunge.config import ConventionConfig, EvaluateConfig
from expunge.data.example import Example, Sets
from expunge.data.problems import Problems
from expunge.errors import UnknownNameError
from expunge.suites import suites
from expunge.suites.files import Files
from expunge.suites.pieces import in_pieces
from expunge.suites.suite import Published, Suite

LONGEST = 6_000  # characters of a training piece
REQUESTS = tuple(f"news+{kind}{i}" for kind in ("scal", "sust") for i in range(1, 5))
METRICS = (
    "probability", "extraction_strength", "exact_memorization", "verbatim_memory", "knowledge_memory", "perplexity",
)  # fmt: skip
_TABLE3 = {  # arXiv:2407.06460, table 3: verbatim, questions (forget), PrivLeak, questions (retain)
    "news": {"target": (58.4, 63.9, -99.8, 55.2), "retrained": (20.8, 33.1, 0.0, 55.0)},
    "books": {"target": (99.8, 59.4, -57.5, 66.9), "retrained": (14.3, 28.9, 0.0, 74.5)},
}
_COLUMNS = (
    ("verbatim_memory", "verbatim"), ("knowledge_memory", "questions, forget"), ("PrivLeak", "membership, forget"),
    ("knowledge_memory", "questions, retain"),
)  # fmt: skip


@suites.add(
    "muse",
    variants=("news", "books", *REQUESTS),
    size="News: 889 articles to forget; Books: 4 books; 100 questions each",
    source="muse-bench/MUSE-News, muse-bench/MUSE-Books",
    licence="CC BY 4.0",
    paper="arXiv:2407.06460",
)
def muse(variant: str) -> Suite:
    """Raises UnknownNameError for another variant, DataError for what is wrong with the files."""
    variant = variant or "news"
    if variant not in (known := suites.get("muse").variants):
        raise UnknownNameError(f"muse has no variant {variant!r}. Known: {', '.join(known)}")
    corpus, _, request = variant.partition("+")
    files = Files("EXPUNGE_MUSE", Problems())
    read = _Reader(files, corpus)
    forget = read(request[:-1], f"forget_{request[-1]}") if request else read("raw", "forget")
    documents = Sets(forget=forget, retain=read("raw", "retain1"), holdout=read("privleak", "holdout"))
    probes = {
        "verbatim": tuple(replace(each, passage=True) for each in read("verbmem", "forget")),
        "questions, forget": read.questions("forget_qa"),
        "membership, forget": read("privleak", "forget"),
    }
    utility = {"questions, retain": read.questions("retain_qa")}
    checked = files.checked(documents)
    return Suite(
        name=f"muse:{variant}",
        sets=replace(checked, forget=in_pieces(checked.forget, LONGEST), retain=in_pieces(checked.retain, LONGEST)),
        utility=utility,
        convention=ConventionConfig(template="plain", max_length=4096),
        evaluate=EvaluateConfig(metrics=METRICS, max_new_tokens=32),
        published=() if request else tuple(_published(corpus)),
        probes=probes,
        only_trained=("forget", "retain"),
    )


class _Reader:
    """Reads a split of one corpus."""

    def __init__(self, files: Files, corpus: str) -> None:
        self._files = files
        self._corpus = corpus

    def __call__(self, config: str, split: str) -> tuple[Example, ...]:
        hub = f"muse-bench/MUSE-{self._corpus.title()}:{config}:{split}"
        name = f"{self._corpus}/{config}/{split}"
        columns = {"gt": "answer"} if config == "verbmem" else {}
        return tuple(self._files.examples(name, hub=hub, columns=columns))

    def questions(self, split: str) -> tuple[Example, ...]:
        """Questions with the solved ones in front."""
        solved = "".join(f"{_asked(e)} {e.answer}\n\n" for e in self("knowmem", f"{split}_icl"))
        return tuple(replace(each, prompt=solved + _asked(each)) for each in self("knowmem", split))


def _asked(example: Example) -> str:
    return f"Question: {example.prompt}\nAnswer:"


def _published(corpus: str) -> Iterator[Published]:
    for model, row in _TABLE3[corpus].items():
        for (metric, on), value in zip(_COLUMNS, row, strict=True):
            ours = value if metric == "PrivLeak" else round(value / 100, 6)  # the table has per cent
            yield Published(f"Llama-2-7B, {model}", metric, on, ours, "arXiv:2407.06460, table 3")
