"""Arms: what is compared. A target, an objective, and the regions within which it unlearns."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from expunge.bench.cells import slug
from expunge.config import LocalizationStudyConfig

ALL, ORACLE, LARGEST = "all weights", "oracle", "largest change"
SIZES = (0.01, 0.05, 0.25, 0.49)  # of regions, in --full: half is not disjoint from anything as large
KINDS_OF_UNITS = ("heads", "rows", "matrices")
SECOND = "world:people:layout=gpt2"  # another architecture
LAST = "rmu:layer=1.0"  # the states after the last block: those of an earlier one give later blocks no gradient


@dataclass(frozen=True)
class Target:
    """A model that knows the forget set, and how it came to.

    trained: with all weights, together with the rest, from nothing. planted: by a random region only, into a model that
    never saw it. injected: into the same, by all weights.
    """

    kind: Literal["trained", "planted", "injected"]
    suite: str
    budget: float
    granularity: str

    @property
    def label(self) -> str:
        size = "" if self.kind != "planted" else f", {self.budget:g} of {self.granularity}"
        return f"{self.suite}, {self.kind}{size}"

    def place(self, out: Path, seed: int) -> Path:
        return out / "targets" / slug(self.label) / f"seed-{seed}"

    def plain(self, config: LocalizationStudyConfig) -> bool:
        """Whether it is one of the default study."""
        return (self.suite, self.budget, self.granularity) == (config.suite, config.budget, config.granularity)


@dataclass(frozen=True)
class Arm:
    """One comparison of regions; `further`: relearning and quantization of every result, too."""

    part: str
    target: Target
    objective: str
    regions: tuple[str, ...]
    further: bool = False

    @property
    def label(self) -> str:
        return f"{self.part}, {self.objective}"

    def place(self, out: Path, seed: int) -> Path:
        return out / "runs" / slug(self.part) / slug(self.objective) / f"seed-{seed}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(written: Mapping[str, Any]) -> "Arm":
        return Arm(**{**written, "target": Target(**written["target"]), "regions": tuple(written["regions"])})


@dataclass(frozen=True)
class _Plan:
    config: LocalizationStudyConfig
    found: list[Arm] = field(default_factory=list)

    def target(self, kind: Any, **changes: Any) -> Target:
        own = {"suite": self.config.suite, "budget": self.config.budget, "granularity": self.config.granularity}
        return Target(kind, **{**own, **changes})

    def randoms(self) -> tuple[str, ...]:
        return tuple(f"random {i}" for i in range(self.config.draws))

    def add(self, part: str, target: Target, objective: str, *regions: str, further: bool = False) -> None:
        self.found.append(Arm(part, target, objective, regions, further))


def arms(config: LocalizationStudyConfig) -> list[Arm]:
    """All of them, in the order in which they are run and reported."""
    plan = _Plan(config)
    whole = (ALL,) if config.whole else ()
    for objective in config.objectives:
        if "B" in config.parts:
            beside = whole if "A" not in config.parts else ()
            plan.add("B", plan.target("planted"), objective, ORACLE, *plan.randoms(), *config.localizers, *beside,
                     further=config.full)  # fmt: skip
        if "A" in config.parts:
            plan.add("A", plan.target("trained"), objective, *plan.randoms(), *config.localizers, *whole)
    if config.full:
        _further(plan)
    return list({arm.place(Path(), 0): arm for arm in reversed(plan.found)}.values())[::-1]  # each once


def _further(plan: _Plan) -> None:
    """What takes hours: other objectives, the L2 variant, sizes, units, an architecture, an open question."""
    config = plan.config
    pair = (ORACLE, *plan.randoms())
    for objective in ("dpo", LAST, "mlp_regression"):
        plan.add("B", plan.target("planted"), objective, *pair, *config.localizers, further=True)
    for size in SIZES:
        plan.add(f"B, {size:g} of the units", plan.target("planted", budget=size), "npo", *pair)
    for units in KINDS_OF_UNITS:
        plan.add(f"B, {units}", plan.target("planted", granularity=units), "npo", *pair)
    plan.add("B, GPT-2", plan.target("planted", suite=SECOND), "npo", *pair, *config.localizers)
    plan.add("open question", plan.target("injected"), "npo", LARGEST, *plan.randoms(), *config.localizers)


def targets(config: LocalizationStudyConfig) -> list[Target]:
    """Every target of an arm, once."""
    return list(dict.fromkeys(arm.target for arm in arms(config)))
