"""Cells: what a bench consists of, in a fixed order, each with its folder."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

from expunge.config import BenchConfig, parse_name
from expunge.edit import editors
from expunge.errors import ConfigError
from expunge.procedures import procedures
from expunge.runs.saving import CHANGE

NONE = "none"
Role = Literal["tuning", "final"]


@dataclass(frozen=True)
class Contender:
    """What is tuned as one and has one row in the leaderboard: a value of each axis but the seed."""

    suite: str
    method: str
    mask: str = NONE
    extrapolation: str = NONE

    @property
    def label(self) -> str:
        """Its method, with what else is not "none"."""
        further = [f"{axis} {value}" for axis, value in self._further()]
        return ", ".join([self.method, *further])

    @property
    def place(self) -> Path:
        """Its folder below `cells`."""
        parts = [self.suite, self.method, *(f"{axis}-{value}" for axis, value in self._further())]
        return Path(*(slug(part) for part in parts))

    def _further(self) -> Iterator[tuple[str, str]]:
        for axis in ("mask", "extrapolation"):
            if (value := getattr(self, axis)) != NONE:
                yield axis, value


@dataclass(frozen=True)
class Cell:
    """One run of a contender."""

    contender: Contender
    role: Role
    number: int  # of the trial, or the seed of the final run

    @property
    def place(self) -> Path:
        return Path("cells") / self.contender.place / f"{self.role}-{self.number}"

    @property
    def change(self) -> Path:
        """What a final run did to the model, on which audits go on."""
        return self.place / CHANGE

    @property
    def audit(self) -> Path:
        """Where the audit of a final run lies."""
        return self.place / "audit"

    @property
    def full_audit(self) -> Path:
        """Where that with the full panel lies, for those who get one."""
        return self.place / "audit-full"


def contenders(config: BenchConfig) -> list[Contender]:
    """All of them, in the recipe's order. Editors and procedures choose their own weights; a side memory has none."""
    every = [Contender(*each) for each in product(config.suites, config.methods, config.masks, config.extrapolations)]
    whole = [each for each in every if each.mask == NONE or parse_name(each.method)[0] not in {*editors, *procedures}]
    return [each for each in whole if each.extrapolation == NONE or not _attaches(parse_name(each.method)[0])]


def _attaches(method: str) -> bool:
    return method in editors and editors.get(method).attaches


def cells_of(contender: Contender, config: BenchConfig) -> list[Cell]:
    """The trials, then the final runs."""
    trials = [Cell(contender, "tuning", number) for number in range(config.search.trials)]
    return [*trials, *(Cell(contender, "final", seed) for seed in range(config.seeds))]


def slug(text: str) -> str:
    """A file's name for any text. Two texts may share one: `check_places` sees to that.

    >>> slug("world:people"), slug("npo:beta=0.1")
    ('world-people', 'npo-beta=0.1')
    """
    return re.sub(r"[^\w.=,#@-]+|^\.", "-", text)


def check_places(found: Sequence[Contender]) -> None:
    """Raises ConfigError for two whose results would lie in one folder."""
    seen: dict[Path, Contender] = {}
    for each in found:
        other = seen.setdefault(each.place, each)
        if other != each:
            raise ConfigError(f"{other.suite} {other.label} and {each.suite} {each.label} would share {each.place}")
