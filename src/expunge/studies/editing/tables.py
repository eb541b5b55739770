"""The tables of the report."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from expunge.studies.compared import judged_table
from expunge.studies.editing.comparing import BySeed, Comparison, Results
from expunge.studies.editing.scene import (
    FORGET,
    GIVEN,
    HOP,
    NEIGHBOURS,
    OTHERS,
    REWORDED,
    SAME,
    STATEMENT,
    UNHEARD,
)
from expunge.studies.editing.scores import Result, attack, keeps_floor, selectivity, value
from expunge.studies.page import Table
from expunge.studies.spread import spread

Read = Callable[[Result], float | None]
UNEDITED, NEVER = "unedited", "never knew"
_WHAT: Mapping[str, tuple[str, str]] = {  # head → group and measure
    "Said": (FORGET, "said"), "Refused": (FORGET, "refused"), "Aligned": (FORGET, "aligned"),
    "Forced": (FORGET, "forced"), "Statement: said": (STATEMENT, "said"), "Given wording: said": (GIVEN, "said"),
    "Reworded: said": (REWORDED, "said"), "Unheard wording: said": (UNHEARD, "said"), "One hop: said": (HOP, "said"),
    "Same subject: kept": (SAME, "kept"), "Neighbours: kept": (NEIGHBOURS, "kept"),
    "Neighbours: refused": (NEIGHBOURS, "refused"), "Others: kept": (OTHERS, "kept"),
}  # fmt: skip
OF_ALL = (
    "The rows of the unedited model and of one that never knew are over all facts of a seed, however many are edited."
)
OWN = "Own words"  # how many targets could be the model's own
_ATTACKS: Mapping[str, tuple[str, str]] = {
    "Relearned: probability": ("relearn", "probability"), "Relearned: said": ("relearn", "said"),
    "8 bit: said": ("quantize", "8 bit, said"), "4 bit: said": ("quantize", "4 bit, said"),
    "Detached: said": ("detach", ""), "Lens": ("logit_lens", ""),
}  # fmt: skip


def arms_table(results: Results, knowledge: str, part: str, count: int, caption: str) -> Table:
    """A row an arm: what is said of each group, and what it cost."""
    rows = [(label, results.of(knowledge, part, count, label)) for label in results.labels(part, count)]
    controls = [(UNEDITED, _control(results, knowledge, "unedited")), (NEVER, _control(results, knowledge, "never"))]
    reads: dict[str, Read] = {OWN: lambda result: result.get("own"), **{h: _reader(w) for h, w in _WHAT.items()}}
    every = [(label, each) for label, each in (*controls, *rows) if _there([(label, each)], _reader((FORGET, "said")))]
    heads = [head for head, read in reads.items() if _there(every, read)]
    unedited = _control(results, knowledge, "unedited")
    body = [
        [label, str(len(each)), _cell(each, selectivity),
         "–" if label in (UNEDITED, NEVER) else _held(each, unedited, results.config.utility_floor),
         *(_cell(each, reads[head]) for head in heads), _cell(each, lambda r: r.get("seconds"), "{:.1f}")]
        for label, each in every
    ]  # fmt: skip
    said = f"{caption} {OF_ALL} Values that another arm had fitted were found again, so seconds are not comparable."
    return Table(["", "Seeds", "Selectivity", "Floor held", *heads, "Processor s"], body, said)


def _held(by_seed: BySeed, unedited: BySeed, floor: float) -> str:
    """In how many seeds what must stay keeps its level, of those that have an unedited model's."""
    found = [keeps_floor(result, unedited[seed], floor) for seed, result in by_seed.items() if seed in unedited]
    known = [each for each in found if each is not None]
    return f"{sum(known)} of {len(known)}" if known else "–"


def attacks_table(results: Results, knowledge: str, part: str, caption: str) -> Table:
    """A row an arm: what each attack gets, the controls first."""
    count = max(results.config.numbers)
    rows = [(label, results.of(knowledge, part, count, label)) for label in results.labels(part, count)]
    controls = [(UNEDITED, _control(results, knowledge, "unedited")), (NEVER, _control(results, knowledge, "never"))]
    every = [(label, each) for label, each in (*controls, *rows) if each]
    heads = [head for head, what in _ATTACKS.items() if _there(every, _attacker(what))]
    body = [
        [label, _cell(each, _reader((FORGET, "said"))), _cell(each, _reader((FORGET, "level"))),
         *(_cell(each, _attacker(_ATTACKS[head])) for head in heads)]
        for label, each in every
    ]  # fmt: skip
    return Table(["", "Said", "Probability", *heads], body, caption)


def comparisons_table(several: Sequence[Comparison], caption: str) -> Table:
    return judged_table(((each.name, each) for each in several), ("", "One", "Other"), caption)


def steps_table(results: Results, knowledge: str, count: int) -> Table:
    """After each request: the facts of the first one, and what must stay."""
    body = []
    for label in results.labels("requests", count):
        several = [r["steps"] for r in results.of(knowledge, "requests", count, label).values() if r["steps"]]
        for number_, rows in enumerate(zip(*several)):
            read = lambda name, rows=rows: spread([row[name] for row in rows])
            body.append([label, str(number_ + 1), read("said"), read("level"), read("kept")])
    head = ["", "After request", "First request's facts: said", "probability", "Neighbours: kept"]
    return Table(head, body, "Request after request.")


def failures_table(results: Results) -> Table:
    """What could not be run, and why."""
    body = [[each.label, f"{each.part}, {each.count} facts, {each.knowledge}", str(each.seed), each.why]
            for each in results.failed]  # fmt: skip
    return Table(["", "Part", "Seed", "Why"], body, "They are missing above; `--resume` tries them again.")


def _control(results: Results, knowledge: str, which: str) -> BySeed:
    found = results.controls.get(knowledge, {})
    return {seed: control[which] for seed, control in found.items() if control.get(which)}


def _reader(what: tuple[str, str]) -> Read:
    return lambda result: value(result, *what)


def _attacker(what: tuple[str, str]) -> Read:
    return lambda result: attack(result, *what)


def _there(every: Sequence[tuple[str, BySeed]], read: Read) -> bool:
    return any(read(result) is not None for _, each in every for result in each.values())


def _cell(by_seed: BySeed, read: Any, form: str = "{:.2f}") -> str:
    return spread([v for result in by_seed.values() if (v := read(result)) is not None], form)
