"""The files of editing benchmarks as rows of ours: facts, what must stay beside them, what follows from them.

    CounterFact   requested_rewrite {prompt with {}, subject, target_true, target_new}, paraphrase_prompts,
                  neighborhood_prompts          Meng et al. 2022, arXiv:2202.05262
    zsRE          src, subject, answers, alt, rephrase, loc, loc_ans
                  Levy et al. 2017, arXiv:1706.04115, as Mitchell et al. 2022, arXiv:2110.11309, wrote it
    KnowEdit      prompt (text), subject (concept), target_new (labels), ground_truth, rephrase_prompt (rephrase),
                  locality and portability {kind: [{prompt, ground_truth}]}     Zhang et al. 2024, arXiv:2401.01286

A file is one of them if it has these columns. Its parts, as in "zsre.json#portability":

    facts         prompt, answer, subject, paraphrases. The answer is what a model is said to know (target_true,
                  answers, ground_truth), which unlearning is to remove; what the benchmark would have it say instead
                  is `alternate`. Where there is only a new target (KnowEdit's recent facts), that is the answer
    locality      what must stay, each prompt once; in CounterFact other subjects with the same true answer
    portability   questions that follow from the fact, with the answers that the file gives

A row knows the case that it belongs to by its `group`. Left out, and told: prompts without any answer, and prompts of
locality that are facts of the same file. CounterFact's attribute and generation prompts have no place here.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from expunge.data.problems import Place, Problems
from expunge.data.rows import Row, Table, kind_of

Part = Literal["facts", "locality", "portability"]
PARTS: tuple[Part, ...] = ("facts", "locality", "portability")
_NQ = "nq question: "  # before zsRE's prompts of locality


class _Cell(NamedTuple):
    """A field of ours: its value and the name of the column that it came from."""

    field: str
    column: str
    value: Any


_Cells = list[_Cell]


def kind_of_file(table: Table) -> str | None:
    """Which benchmark's file it is; None for any other."""
    columns = set(table.columns())
    if "requested_rewrite" in columns:
        return "counterfact"
    if {"src", "answers", "loc"} <= columns:
        return "zsre"
    named = {"prompt", "text"} & columns and {"target_new", "labels"} & columns
    return "knowedit" if named and {"locality", "portability"} & columns else None


def part_of_file(table: Table, part: Part, problems: Problems) -> tuple[Table, dict[str, str]]:
    """The rows of a part, and which of their columns are which fields of ours. `table` is such a file.

    A column that is one field in some rows and another one in others (KnowEdit's `target_new`, the answer where there
    is no `ground_truth`) is two: the second of them as "target_new (answer)".
    """
    kind = kind_of_file(table)
    assert kind is not None, "not an editing benchmark's file"
    unfold = _PARTS[part, kind]
    names: dict[str, str] = {}
    rows = []
    for row in table.rows:
        for cells in filter(None, unfold(_At(row, problems))):
            values = {_column(cell, names): cell.value for cell in cells}
            rows.append(Row(row.place, {column: value for column, value in values.items() if value is not None}))
    if part == "locality":
        rows = _once(rows, table, kind, names, problems)
    if table.rows and not rows and not problems.found:
        problems.add(Place(table.file), None, f"has no rows for {part}: {kind} keeps them elsewhere, or not at all")
    return Table(table.file, rows), names


def _column(cell: _Cell, names: dict[str, str]) -> str:
    """What the cell's column is called, which stands in `names` from then on for this field alone."""
    free = names.setdefault(cell.column, cell.field) == cell.field
    column = cell.column if free else f"{cell.column} ({cell.field})"
    names[column] = cell.field
    return column


class _At:
    """One row, read by paths; what is missing or of another kind becomes a problem with its place."""

    def __init__(self, row: Row, problems: Problems) -> None:
        self.row, self.problems = row, problems
        self.id = str(row.values.get("case_id", row.place))

    def get(self, *names: str) -> tuple[str, Any]:
        """The first of these columns that is there, with its value."""
        values = self.row.values
        name = next((each for each in names if values.get(each) is not None), names[0])
        return name, values.get(name)

    def inner(self, outer: str, value: Any, name: str) -> tuple[str, Any]:
        """A field of an object."""
        if not isinstance(value, dict):
            self.wrong(
                outer, "is missing" if value is None else f"must be an object with `{name}`, but is {kind_of(value)}"
            )
            return f"{outer}.{name}", None
        return f"{outer}.{name}", value.get(name) or None

    def wrong(self, field: str, message: str) -> None:
        self.problems.add(self.row.place, field, message)

    def cells(self, prompt: tuple[str, Any], answers: tuple[str, Any], *more: _Cell) -> _Cells:
        """A row of ours: the first answer is the answer, the others count as right, too."""
        path, value = answers
        first, *rest = _texts(value) or [None]
        for name, each in (prompt, (path, first)):
            if each is None:
                self.wrong(name, "is missing or empty")
        if prompt[1] is None or first is None:
            return []
        aliases = [_Cell("aliases", f"{path}[1:]", rest)] if rest else []
        return [_Cell("prompt", *prompt), _Cell("answer", path, first), *aliases, *more]

    def rows_of(self, outer: str) -> Iterator[_Cells]:
        """The prompts of KnowEdit's {kind: [{prompt, ground_truth}]}."""
        whole = self.row.values.get(outer)
        if whole is None:
            return
        if not isinstance(whole, dict):
            self.wrong(outer, f"must be an object of lists, but is {kind_of(whole)}")
            return
        for kind, several in whole.items():
            path = f"{outer}.{kind}"
            if not isinstance(several, list):
                self.wrong(path, f"must be a list of prompts, but is {kind_of(several)}")
                continue
            for i, each in enumerate(several):
                yield from self._row_of(f"{kind}[{i}]", each, f"{self.id}/{kind}/{i}")

    def _row_of(self, path: str, each: Any, name: str) -> Iterator[_Cells]:
        prompt = self.inner(path, each, "prompt")
        if not isinstance(each, dict):
            return
        answers = self.inner(path, each, "ground_truth")
        if not any(isinstance(text, str) and text.strip() for text in _texts(answers[1])):
            self.problems.warn(self.row.place, f"`{path}` has no answer and is left out")
            return
        asked = next(iter(_texts(prompt[1])), None)
        yield self.cells((prompt[0], asked), answers, _Cell("id", "id", name), _Cell("group", "group", self.id))


def _texts(value: Any) -> list[Any]:
    """The texts of a nested list, the empty ones left out; what is neither text nor list stays, to be told of."""
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [] if value is None or value == "" else [value]


def _counterfact(at: _At) -> Iterator[_Cells]:
    outer, rewrite = at.get("requested_rewrite")
    if not isinstance(rewrite, dict):
        at.wrong(outer, f"must be an object, but is {kind_of(rewrite)}")
        return
    path, prompt = at.inner(outer, rewrite, "prompt")
    subject = rewrite.get("subject")
    if not isinstance(prompt, str) or prompt.count("{}") != 1:
        at.wrong(path, "must be text with one {}, where the subject stands")
        return
    if not isinstance(subject, str) or not subject.strip():
        at.wrong(f"{outer}.subject", "is missing or empty")
        return
    yield at.cells(
        (path, prompt.replace("{}", subject)), at.inner(f"{outer}.target_true", rewrite.get("target_true"), "str"),
        _Cell("subject", f"{outer}.subject", subject), _Cell("id", "id", at.id),
        _Cell("alternate", *_optional(at, outer, rewrite, "target_new")),
        _Cell("paraphrases", *at.get("paraphrase_prompts")),
    )  # fmt: skip


def _optional(at: _At, outer: str, rewrite: Mapping[str, Any], name: str) -> tuple[str, Any]:
    value = rewrite.get(name)
    return (f"{outer}.{name}.str", None) if value is None else at.inner(f"{outer}.{name}", value, "str")


def _neighbours(at: _At) -> Iterator[_Cells]:
    path, several = at.get("neighborhood_prompts")
    if several is None:
        return
    if not isinstance(several, list):
        at.wrong(path, f"must be a list of prompts, but is {kind_of(several)}")
        return
    rewrite = at.row.values.get("requested_rewrite")
    outer = "requested_rewrite.target_true"
    answer = at.inner(outer, rewrite.get("target_true") if isinstance(rewrite, dict) else None, "str")
    for i, prompt in enumerate(several):
        yield at.cells(
            (f"{path}[{i}]", prompt), answer, _Cell("id", "id", f"{at.id}/neighbour/{i}"),
            _Cell("group", "group", at.id),
        )  # fmt: skip


def _zsre(at: _At) -> Iterator[_Cells]:
    yield at.cells(
        at.get("src"), at.get("answers"), _Cell("subject", *at.get("subject")), _Cell("alternate", *at.get("alt")),
        _Cell("paraphrases", *at.get("rephrase")), _Cell("id", "id", at.id),
    )  # fmt: skip


def _zsre_locality(at: _At) -> Iterator[_Cells]:
    path, prompt = at.get("loc")
    prompt = prompt.removeprefix(_NQ) if isinstance(prompt, str) else prompt
    yield at.cells(
        (path, prompt), at.get("loc_ans"), _Cell("id", "id", f"{at.id}/locality"), _Cell("group", "group", at.id)
    )


def _knowedit(at: _At) -> Iterator[_Cells]:
    truth, target = at.get("ground_truth"), at.get("target_new", "labels")
    known = bool(_texts(truth[1]))
    new = _texts(target[1])
    alternate = [_Cell("alternate", target[0], new[0])] if known and new else []
    yield at.cells(
        at.get("prompt", "text"), truth if known else target, _Cell("subject", *at.get("subject", "concept")),
        *alternate, _Cell("paraphrases", *at.get("rephrase_prompt", "rephrase")), _Cell("id", "id", at.id),
    )  # fmt: skip


def _nothing(at: _At) -> Iterator[_Cells]:
    yield from ()


_PARTS: dict[tuple[Part, str], Callable[[_At], Iterator[_Cells]]] = {
    ("facts", "counterfact"): _counterfact, ("locality", "counterfact"): _neighbours,
    ("portability", "counterfact"): _nothing,
    ("facts", "zsre"): _zsre, ("locality", "zsre"): _zsre_locality,
    ("portability", "zsre"): lambda at: at.rows_of("portability"),
    ("facts", "knowedit"): _knowedit, ("locality", "knowedit"): lambda at: at.rows_of("locality"),
    ("portability", "knowedit"): lambda at: at.rows_of("portability"),
}  # fmt: skip


def _once(rows: list[Row], table: Table, kind: str, names: Mapping[str, str], problems: Problems) -> list[Row]:
    """Each prompt with its answer once, and none that is a fact of the file."""
    quiet = Problems()
    facts = {
        _said({cell.field: cell.value for cell in cells})
        for row in table.rows for cells in _PARTS["facts", kind](_At(row, quiet))
    }  # fmt: skip
    kept: dict[Any, Row] = {}
    left = 0
    for row in rows:
        said = _said({names[column]: value for column, value in row.values.items()})
        if said in facts:
            left += 1
        else:
            kept.setdefault(said, row)
    if left:
        problems.warn(Place(table.file), f"{left} prompts of locality are facts of this file and are left out")
    return list(kept.values())


def _said(fields: Mapping[str, Any]) -> tuple[str, str]:
    return " ".join(str(fields.get("prompt")).split()), str(fields.get("answer"))
