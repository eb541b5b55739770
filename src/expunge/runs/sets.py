"""What a run measures on: each set, each further wording of it, and how the record shows them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Literal

import numpy as np

from expunge.config import SetsRunConfig
from expunge.data.example import Example, Sets
from expunge.data.sets import load_data
from expunge.evaluate.observations import reworded
from expunge.record import Row, SetInfo
from expunge.train.selection import halves

Role = Literal["forget", "retain", "test", "holdout", "twins", "train"]


@dataclass(frozen=True)
class Measured:
    """A set as it is measured."""

    examples: Sequence[Example]
    role: Role
    title: str
    source: str = ""
    note: str = ""

    def info(self, *, include_text: bool) -> SetInfo:
        """For the record; texts only if asked for."""
        return SetInfo(
            role=self.role, n=len(self.examples), title=self.title, source=self.source, note=self.note,
            digest=digest_of(self.examples), rows=tuple(_row(example, include_text) for example in self.examples),
        )  # fmt: skip


def evenly(examples: Sequence[Example], rows: int, seed: int) -> list[Example]:
    """At most `rows` examples, from every group as many as from the others, drawn by the seed, in their order."""
    if len(examples) <= rows:
        return list(examples)
    order = np.random.default_rng([seed, 4]).permutation(len(examples)).tolist()
    turns: dict[str, int] = {}
    placed = []
    for place, i in enumerate(order):
        group = examples[i].group or examples[i].id
        turns[group] = turns.get(group, -1) + 1
        placed.append((turns[group], place, i))
    return [examples[i] for i in sorted(i for *_, i in sorted(placed)[:rows])]


def read_sets(config: SetsRunConfig) -> Sets:
    """The sets that the settings name, read and checked."""
    return load_data(
        forget=config.forget,
        retain=config.retain,
        holdout=config.holdout,
        twins=config.twins,
        columns=config.columns,
    )


def measured_sets(sets: Sets, config: SetsRunConfig, *, split: int | None = None) -> dict[str, Measured]:
    """Name → set to measure on. With `split` (a seed) the retain set is cut into the half that checkpoints are
    selected on and the half that only tests."""
    found: dict[str, Measured] = {}
    for name, examples in sets.named():
        source = getattr(config, name) or config.suite or ""
        selection, test = halves(examples, split) if name == "retain" and split is not None else ([], [])
        if selection and test:  # one group cannot be cut: the set is then measured whole
            found["retain"] = Measured(selection, "retain", "retain, selection half", source)
            found["retain, test half"] = Measured(
                test, "retain", "retain, test half", source, "trained on; not used to choose the checkpoint"
            )
            continue
        found[name] = Measured(examples, _role(name), name, source)
        if config.evaluate.paraphrases and name in ("forget", "retain"):
            found.update(wordings(name, found[name]))
    return found


def wordings(name: str, measured: Measured) -> dict[str, Measured]:
    """The set once more for each further wording of its prompts."""
    count = max((len(example.paraphrases) for example in measured.examples), default=0)
    return {
        f"{name}, wording {k + 2}": Measured(
            reworded(measured.examples, k), measured.role, f"{measured.title}, wording {k + 2}", measured.source,
            "a wording that was not trained on",
        )
        for k in range(count)
    }  # fmt: skip


def digest_of(examples: Sequence[Example]) -> str:
    """SHA-256 of the examples' contents; where they came from does not count."""
    rows = [{**asdict(example), "source": ""} for example in examples]
    return sha256(json.dumps(rows, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _row(example: Example, include_text: bool) -> Row:
    if not include_text:
        return Row(id=example.id)
    return Row(id=example.id, group=example.group, prompt=example.prompt, answer=example.answer)


def _role(name: str) -> Role:
    roles: Mapping[str, Role] = {
        "forget": "forget",
        "retain": "retain",
        "holdout": "holdout",
        "twins": "twins",
    }
    return roles[name]
