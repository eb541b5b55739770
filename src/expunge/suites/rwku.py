"""RWKU: what models know of 200 famous people, probed at three levels and beside it. Jin et al. 2024, arXiv:2406.10890.

Files (jinzhuoran/RWKU on the Hub, one configuration a file; CC BY 4.0 as its card says): probes `forget_level1` (fill
in the blank), `forget_level2` (questions), `forget_level3` (nine kinds of attack), `neighbor_level1` and
`neighbor_level2` with `query`, `answer`, `level`, `type`, `subject`, split test; documents `mia_forget` and
`mia_retain` with `text` and `subject`, split test; `train_positive_llama3` with `text`, `subject`, split train: texts
that Llama 3 wrote of each person, the publisher's own stand-in for a forget corpus, which the task does not give. A
folder in EXPUNGE_RWKU holds files of the same names.

The variant is a person's name ("rwku:Stephen_King"), as the task forgets one person at a time, or "all", which only
measures. The forget set is that person's texts, not measured; there is no retain set in this task.

Convention: chat template; a probe stands behind the publisher's instruction. Deviations: the publisher puts "Answer:"
at the start of the model's turn, here it ends the user's; its ROUGE-L comes from another package (no stemmer), and an
answer is cut there at the first line break. Subsets of MMLU, BBH, TruthfulQA and TriviaQA are left to the harness.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from difflib import get_close_matches

from expunge.config import ConventionConfig, EvaluateConfig
from expunge.data.checking import examples_of
from expunge.data.example import Example, Sets
from expunge.data.problems import Problems
from expunge.data.rows import Row, Table
from expunge.errors import UnknownNameError
from expunge.suites import suites
from expunge.suites.files import Files
from expunge.suites.suite import Suite

FIRST = "Stephen_King"
_BLANK = "Please complete the blank in the following question.\nQuestion: {}\nAnswer:"
_BRIEF = "Please briefly answer the following question.\nQuestion: {}\nAnswer:"
_BY_TYPE = {  # attacks that are worded differently
    "affirmative suffix": "Please briefly answer the following question.\nQuestion: {}",
    "incontext learning": "Please briefly answer the following question.\n{}\nAnswer:",
}


@suites.add(
    "rwku",
    variants=(FIRST, "all"),
    size="200 people; 3,268 blanks, 2,879 questions, 6,984 attacks",
    source="jinzhuoran/RWKU",
    licence="CC BY 4.0",
    paper="arXiv:2406.10890",
)
def rwku(variant: str) -> Suite:
    """Raises UnknownNameError for a person who is not among the targets, DataError for what is wrong with the files."""
    person = (variant or FIRST).replace("_", " ")
    files = Files("EXPUNGE_RWKU", Problems())
    read = _Reader(files, None if person == "all" else person)
    probes = {
        "fill in the blank": read.probes("forget_level1", _BLANK),
        "questions": read.probes("forget_level2", _BRIEF),
        "attacks": read.probes("forget_level3", _BRIEF),
        "membership, forget": read("mia_forget"),
    }
    utility = {
        "neighbours, fill in the blank": read.probes("neighbor_level1", _BLANK),
        "neighbours, questions": read.probes("neighbor_level2", _BRIEF),
        "membership, retain": read("mia_retain"),
    }
    forget = () if person == "all" else read("train_positive_llama3", "train")
    sets = files.checked(Sets(forget=forget))
    if not any(probes.values()):
        near = get_close_matches(person, read.seen, n=1)
        hint = f" Did you mean {near[0].replace(' ', '_')!r}?" if near else ""
        raise UnknownNameError(f"rwku has nobody called {person!r} among its {len(read.seen)} people.{hint}")
    return Suite(
        name=f"rwku:{person.replace(' ', '_')}",
        sets=sets,
        utility=utility,
        convention=ConventionConfig(template="auto", max_length=4096),
        evaluate=EvaluateConfig(metrics=("rouge_l_recall", "generated_contains", "perplexity"), max_new_tokens=30),
        notes=("ROUGE-L here uses a stemmer and the whole answer; the published one uses neither",),
        probes=probes,
        only_trained=("forget",),
    )


class _Reader:
    """Reads files of the suite, of one person or of all."""

    def __init__(self, files: Files, person: str | None) -> None:
        self._files = files
        self._person = person
        self.seen: dict[str, None] = {}  # subjects, in the order of the files

    def __call__(self, file: str, split: str = "test") -> tuple[Example, ...]:
        return self._read(file, split, lambda values: values)

    def probes(self, file: str, wording: str) -> tuple[Example, ...]:
        """Probes behind their instruction, which may depend on the kind of attack."""

        def worded(values: Mapping[str, object]) -> dict[str, object]:
            query = values.get("query")
            form = _BY_TYPE.get(str(values.get("type")), wording)
            return {**values, "query": form.format(query) if isinstance(query, str) and query.strip() else query}

        return self._read(file, "test", worded)

    def _read(
        self, file: str, split: str, change: Callable[[dict[str, object]], dict[str, object]]
    ) -> tuple[Example, ...]:
        table = self._files.read(file, hub=f"jinzhuoran/RWKU:{file}:{split}")
        self.seen |= dict.fromkeys(str(row.values.get("subject")) for row in table.rows)
        rows = [Row(row.place, change(row.values)) for row in table.rows if self._mine(row)]
        examples = examples_of(Table(table.file, rows), self._files.problems, {"query": "prompt"})
        return tuple(replace(each, group=each.group or each.subject) for each in examples)

    def _mine(self, row: Row) -> bool:
        subject = row.values.get("subject")
        return self._person is None or not isinstance(subject, str) or subject == self._person
