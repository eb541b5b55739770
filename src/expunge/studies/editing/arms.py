"""Arms: what is done to a model, with how many facts, towards which target."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from expunge.bench.cells import slug
from expunge.config import EditingStudyConfig
from expunge.edit import editors

NPO = "npo"
UNTRAINABLE = ("empty",)  # targets that a preferred answer cannot be


@dataclass(frozen=True)
class Arm:
    """One condition of a part of the study."""

    label: str  # unique within its part and number
    method: str  # NAME:key=value, an editor or an objective
    count: int  # facts
    kind: str = "fixed"  # of target
    draws: int = 1  # so many facts, each alone
    merge: str = ""  # "text", "keys"
    alpha: float = 0.0  # of the extrapolation of the edit
    then: str = ""  # the method that follows on the same facts
    requests: int = 1  # one after the other, each for its share of the facts
    attacked: bool = False

    @property
    def file(self) -> str:
        """Where its result lies within its cell's folder."""
        return f"{slug(self.label)}.json"


@dataclass(frozen=True)
class Cell:
    """What one job does: all arms of a part with one number of facts, on one model."""

    knowledge: str
    part: str
    count: int
    seed: int

    @property
    def place(self) -> Path:
        return Path("cells") / self.knowledge / f"{self.part}-{self.count}" / f"seed-{self.seed}"

    @property
    def label(self) -> str:
        return f"{self.part}, {self.count} facts, {self.knowledge}, seed {self.seed}"


def cells(config: EditingStudyConfig) -> Iterator[Cell]:
    """All of them, seed by seed."""
    for seed in range(config.seeds):
        for knowledge in config.knowledge:
            for part in config.parts:
                if part == "numbers":
                    yield from (Cell(knowledge, part, count, seed) for count in config.numbers)
                elif config.full or knowledge == config.knowledge[0]:
                    yield Cell(knowledge, part, middle(config) if part == "targets" else max(config.numbers), seed)


def middle(config: EditingStudyConfig) -> int:
    """The number of facts that settings are tried with, and targets.

    >>> middle(EditingStudyConfig())
    10
    """
    return sorted(config.numbers)[len(config.numbers) // 2]


def arms(config: EditingStudyConfig, part: str, count: int) -> list[Arm]:
    """What a cell holds, in the order in which it is run and reported."""
    return list(_ARMS[part](config, count))


def methods(config: EditingStudyConfig) -> list[str]:
    """Every method whose settings are to be chosen, once."""
    further = (config.merged, config.kinds_of, config.chains, config.requested, (NPO,) if config.chains else ())
    return list(dict.fromkeys([*config.editors, *config.objectives, *(m for each in further for m in each)]))


def is_editor(method: str) -> bool:
    """
    >>> is_editor("rome:joint=true"), is_editor("npo")
    (True, False)
    """
    return method.partition(":")[0] in editors


def _numbers(config: EditingStudyConfig, count: int) -> Iterator[Arm]:
    attacked = count == max(config.numbers)
    for method in (*config.editors, *config.objectives):
        yield Arm(method, method, count, draws=config.singles if count == 1 else 1, attacked=attacked)


def _merging(config: EditingStudyConfig, count: int) -> Iterator[Arm]:
    for method in config.merged:
        yield Arm(method, method, count)
        for by in ("text", "keys"):
            yield Arm(f"{method}, merged by {by}", method, count, merge=by)


def _targets(config: EditingStudyConfig, count: int) -> Iterator[Arm]:
    for method in config.kinds_of:
        for kind in config.kinds:
            if is_editor(method) or kind not in UNTRAINABLE:
                yield Arm(f"{method}, {kind}", method, count, kind=kind)


def _chained(config: EditingStudyConfig, count: int) -> Iterator[Arm]:
    yield Arm(NPO, NPO, count, attacked=True)
    for method in config.chains:
        yield Arm(method, method, count, attacked=True)
        yield Arm(f"{method}, then {NPO}", method, count, then=NPO, attacked=True)
        yield Arm(f"{NPO}, then {method}", NPO, count, then=method, attacked=True)
        for alpha in config.alphas:
            yield Arm(f"{method}, α = {alpha:g}", method, count, alpha=alpha, attacked=True)


def _requests(config: EditingStudyConfig, count: int) -> Iterator[Arm]:
    for method in config.requested:
        yield Arm(f"{method}, at once", method, count)
        yield Arm(f"{method}, {config.requests} requests", method, count, requests=config.requests)


_ARMS = {"numbers": _numbers, "merging": _merging, "targets": _targets, "chained": _chained, "requests": _requests}
