"""Published facts with counts: capitals, books, zsRE. Krishnan, Reddy and Mosbach 2025, arXiv:2504.05058.

    capitals-qa, books-qa, zsre-qa [:high|medium|low|all, for books also high_100, low_100]

McGill-NLP/country_capital_qa, book_author_qa and zsre_qa on the Hub, one configuration a file: `forget_low_count`,
`forget_medium_count`, `forget_high_count`, `forget_all`, each with a twin `…_paraphrased` that has the same rows with
the other wording of the question; `real_authors` and `world_facts` (from TOFU). Fields: `question`, `answer`, `count`
(how often subject and answer stand near one another in Dolma v1.7, by infini-gram: an estimate for what is frequent),
and what the question is about and asks for (`country`, `capital`). The authors' script also writes one JSON file of
unbucketed rows with `direct_question`, `direct_answer`, `paraphrased_question`, `paraphrased_answer`, `country` and
`capital`: any such file, or one with `question` and `answer`, stands in for the buckets under the name `forget_all`.

Offline the folder named by EXPUNGE_FACTS_QA holds a folder for each set: `country_capital_qa/forget_all.json`, or
`…/forget_all/train-00000-of-00001.parquet` as the Hub stores it.

What trains and what is measured:
- forget: the bucket, the paraphrased rows as its paraphrases; `subject` is the country, `count` is kept;
- retain, as the authors': `real_authors`; for books the bucket of 100 with medium counts;
- only measured: `world_facts`, and the medium bucket where it is not to be forgotten.

Buckets are cut as the authors cut them, at the 0.33 and 0.67 quantiles of the count, where a file of the bucket is
missing and `forget_all` is there. Deviations: the names of the columns of subject and asked-for entity were seen for
capitals only; for books and zsRE the likely names are tried, and a row without them has neither subject nor alias.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from expunge.config import ConventionConfig, EvaluateConfig
from expunge.data.checking import examples_of
from expunge.data.example import Example, Sets
from expunge.data.problems import Place, Problems
from expunge.data.rows import Table
from expunge.errors import UnknownNameError
from expunge.suites import suites
from expunge.suites.files import Files
from expunge.suites.suite import Suite

VARIABLE = "EXPUNGE_FACTS_QA"
BUCKETS = ("low", "medium", "high")
QUANTILES = (0.33, 0.67)
VARIANTS = ("high", "medium", "low", "all")
_HUNDRED = ("high_100", "low_100")
_NOTE = (
    "`count` is the co-occurrence of subject and answer in Dolma v1.7, estimated by infini-gram; it says little of a "
    "model that was trained on another corpus."
)


@dataclass(frozen=True)
class _Set:
    """One of the three."""

    name: str
    hub: str
    retain: str
    subject: tuple[str, ...]  # columns, the first that is there
    entity: tuple[str, ...]  # what is asked for: another answer that counts as right


_CAPITALS = _Set("capitals-qa", "country_capital_qa", "real_authors", ("country",), ("capital",))
_BOOKS = _Set("books-qa", "book_author_qa", "forget_medium_count_100", ("book", "title", "book_title"), ("author",))
_ZSRE = _Set("zsre-qa", "zsre_qa", "real_authors", ("subject", "entity"), ("object", "target"))


@suites.add(
    "capitals-qa", variants=VARIANTS, size="about 240 questions", source="McGill-NLP/country_capital_qa",
    licence="see the page of the data set", paper="arXiv:2504.05058",
)  # fmt: skip
def capitals_qa(variant: str) -> Suite:
    """Countries' capitals. Raises UnknownNameError for another variant, DataError for what is wrong with the files."""
    return _suite(_CAPITALS, variant)


@suites.add(
    "books-qa", variants=(*VARIANTS, *_HUNDRED), size="a few hundred questions", source="McGill-NLP/book_author_qa",
    licence="see the page of the data set", paper="arXiv:2504.05058",
)  # fmt: skip
def books_qa(variant: str) -> Suite:
    """Books' authors. Raises as `capitals_qa`."""
    return _suite(_BOOKS, variant)


@suites.add(
    "zsre-qa", variants=VARIANTS, size="a few hundred questions", source="McGill-NLP/zsre_qa",
    licence="see the page of the data set", paper="arXiv:2504.05058",
)  # fmt: skip
def zsre_qa(variant: str) -> Suite:
    """Facts of zsRE, filtered. Raises as `capitals_qa`."""
    return _suite(_ZSRE, variant)


def facts_of(table: Table, problems: Problems, *, subject: Sequence[str], entity: Sequence[str]) -> list[Example]:
    """Rows in either published schema as examples with paraphrases, subject and count. Notes problems in place."""
    present = table.columns()
    columns = {_first(subject, present): "subject", _first(entity, present): "aliases"}
    return examples_of(table, problems, {name: field for name, field in columns.items() if name is not None})


def buckets(examples: Sequence[Example]) -> dict[str, tuple[Example, ...]]:
    """Low, medium and high counts: up to the 0.33 quantile, up to the 0.67 one, above; all have a count."""
    counts = [example.count for example in examples]
    low, high = np.quantile(np.array(counts, float), QUANTILES) if counts else (0.0, 0.0)
    found: dict[str, list[Example]] = {name: [] for name in BUCKETS}
    for example, count in zip(examples, counts):
        assert count is not None
        found["low" if count <= low else "medium" if count <= high else "high"].append(example)
    return {name: tuple(each) for name, each in found.items()}


def _suite(which: _Set, variant: str) -> Suite:
    variant = variant or VARIANTS[0]
    if variant not in (known := suites.get(which.name).variants):
        raise UnknownNameError(f"{which.name} has no variant {variant!r}. Known: {', '.join(known)}")
    files = Files(VARIABLE, Problems())
    read = _Reader(which, files, files.problems)
    sets = Sets(forget=read.facts(variant), retain=read.retain())
    utility = {"world facts": read.plain("world_facts")}
    if variant not in ("medium", "all"):
        utility["medium counts"] = _without(read.facts("medium"), sets)
    return Suite(
        name=f"{which.name}:{variant}",
        sets=files.checked(sets),
        utility=utility,
        convention=ConventionConfig(template="auto"),
        evaluate=EvaluateConfig(max_new_tokens=64),
        notes=(_NOTE,),
    )


class _Reader:
    """Reads files of one set; a bucket comes from its own file, else out of `forget_all`."""

    def __init__(self, which: _Set, files: Files, problems: Problems) -> None:
        self._which, self._files, self._problems = which, files, problems

    def facts(self, bucket: str) -> tuple[Example, ...]:
        """A bucket ("low", "high_100") or "all", each fact with its other wording."""
        name = _file_of(bucket)
        if bucket not in BUCKETS or self._has(name) or not self._has("forget_all"):
            return self._both_wordings(name)
        every = self._both_wordings("forget_all")
        missing = [example for example in every if example.count is None]
        for example in missing:
            self._problems.add(Place(example.source), "count", "is missing, and buckets are cut by it")
        return () if missing else buckets(every)[bucket]

    def retain(self) -> tuple[Example, ...]:
        """The authors' retain set."""
        name = self._which.retain
        return self._both_wordings(name) if name.startswith("forget") else self.plain(name)

    def plain(self, name: str) -> tuple[Example, ...]:
        """A set of questions that has no other wording."""
        return tuple(examples_of(self._table(name), self._problems))

    def _both_wordings(self, name: str) -> tuple[Example, ...]:
        table = self._table(name)
        examples = self._facts(table)
        if "paraphrased_question" in table.columns() or not self._pairs(name):
            return tuple(examples)
        others = self._facts(self._table(f"{name}_paraphrased"))
        if len(others) != len(examples):
            what = f"has {len(others)} rows, and {name} has {len(examples)}: row by row they are the same facts"
            self._problems.add(Place(f"{name}_paraphrased"), None, what)
            return ()
        return tuple(replace(one, paraphrases=(other.prompt or "",)) for one, other in zip(examples, others))

    def _pairs(self, name: str) -> bool:
        """Whether the set has a file of other wordings: always on the Hub, if it is there in a folder."""
        return self._files.folder is None or self._has(f"{name}_paraphrased")

    def _facts(self, table: Table) -> list[Example]:
        return facts_of(table, self._problems, subject=self._which.subject, entity=self._which.entity)

    def _table(self, name: str) -> Table:
        return self._files.read(*self._paths(name), hub=f"McGill-NLP/{self._which.hub}:{name}:train")

    def _has(self, name: str) -> bool:
        return self._files.has(*self._paths(name))

    def _paths(self, name: str) -> tuple[str, str]:
        """As a file, or as the Hub stores a configuration."""
        return f"{self._which.hub}/{name}", f"{self._which.hub}/{name}/train"


def _file_of(bucket: str) -> str:
    if bucket == "all":
        return "forget_all"
    name, _, size = bucket.partition("_")
    return f"forget_{name}_count" + (f"_{size}" if size else "")


def _without(examples: Sequence[Example], sets: Sets) -> tuple[Example, ...]:
    """What is measured besides is not what trains: the medium bucket of books holds the retain set."""
    trained = {(each.prompt, each.answer) for each in sets.retain}
    return tuple(each for each in examples if (each.prompt, each.answer) not in trained)


def _first(names: Sequence[str], present: Sequence[str]) -> str | None:
    return next((name for name in names if name in present), None)
