"""Arms: what is done to a model, with how many facts, towards which target."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
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

    @property
    def failure(self) -> str:
        """Where it is noted why it could not be run."""
        return f"{slug(self.label)}.failed.json"


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
                    yield from (Cell(knowledge, part, count, seed) for count in _counts(config, part))


def _counts(config: EditingStudyConfig, part: str) -> tuple[int, ...]:
    """Numbers of facts of a part other than the first."""
    said = {"merging": config.merged_at, "targets": config.kinds_at}.get(part, ())
    return said or (middle(config) if part == "targets" else max(config.numbers),)


def middle(config: EditingStudyConfig) -> int:
    """The number of facts that settings are tried with, and targets.

    >>> middle(EditingStudyConfig())
    10
    """
    return sorted(config.numbers)[len(config.numbers) // 2]


def most(config: EditingStudyConfig) -> int:
    """So many facts are needed.

    >>> most(EditingStudyConfig(numbers=(1, 2), singles=4)), most(EditingStudyConfig(numbers=(2,), singles=4))
    (4, 2)
    """
    every = (*config.numbers, *config.merged_at, *config.kinds_at)
    return max(*every, config.singles if 1 in every else 0)


def arms(config: EditingStudyConfig, part: str, count: int) -> list[Arm]:
    """What a cell holds, in the order in which it is run and reported."""
    return list(_ARMS[part](config, count))


def home(config: EditingStudyConfig, cell: Cell, arm: Arm) -> tuple[Cell, Arm]:
    """Where an arm is run: what the first part has, too, is run there, and other parts read it.

    >>> config = EditingStudyConfig()
    >>> first, second = arms(config, "merging", 40)[:2]
    >>> cell, same = home(config, Cell("pretrained", "merging", 40, 0), first)
    >>> cell.part, same.label, home(config, Cell("pretrained", "merging", 40, 0), second)[0].part
    ('numbers', 'rome', 'merging')
    """
    if cell.part != "numbers" and "numbers" in config.parts and cell.count in config.numbers:
        for each in arms(config, "numbers", cell.count):
            if replace(each, label=arm.label, attacked=arm.attacked) == arm and each.attacked >= arm.attacked:
                return replace(cell, part="numbers"), each
    return cell, arm


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
        yield Arm(method, method, count, draws=_draws(config, count), attacked=attacked)


def _draws(config: EditingStudyConfig, count: int) -> int:
    """A single fact tells little: several are edited, each alone."""
    return config.singles if count == 1 else 1


def _merging(config: EditingStudyConfig, count: int) -> Iterator[Arm]:
    for method in config.merged:
        yield Arm(method, method, count)
        for by in ("text", "keys"):
            yield Arm(f"{method}, merged by {by}", method, count, merge=by)


def _targets(config: EditingStudyConfig, count: int) -> Iterator[Arm]:
    for method in config.kinds_of:
        for kind in config.kinds:
            if is_editor(method) or kind not in UNTRAINABLE:
                yield Arm(f"{method}, {kind}", method, count, kind=kind, draws=_draws(config, count))


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
