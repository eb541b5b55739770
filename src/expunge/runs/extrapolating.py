"""Extrapolating a change within a run: measure along its line, choose α, test the floor on the other half."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from expunge.arithmetic.alpha import Curve, Goal, Never, Point, Selector, selectors
from expunge.arithmetic.alpha.candidates import BACK, chosen
from expunge.arithmetic.alpha.margin import doubt, margin
from expunge.arithmetic.directions import directed, projected, weighted
from expunge.arithmetic.line import Direction, Line
from expunge.arithmetic.patterns import by_pattern
from expunge.change import Attachment, WeightChange
from expunge.config import ExtrapolateConfig
from expunge.data.convention import Encoded, Encoder
from expunge.data.example import Example, Sets
from expunge.data.sampling import sample_of
from expunge.data.sets import load_data
from expunge.errors import ChangeError, ConfigError
from expunge.models.gradients import mean_gradient
from expunge.models.model import Model
from expunge.record import AlphaPoint, ExtrapolationInfo
from expunge.train.levels import mean_log_probs, never_known
from expunge.train.selection import halves

NEEDS_NEVER = (
    "needs to know what never-known looks like: give `twins` (the same kind of questions about names that do not "
    "exist), `holdout` examples, or a retrained model"
)
NEEDS_RELATED = "needs to know what should go with the forget set: give `related` (a file of examples)"
FIXED = ""  # the selector of an α that was given


class Aims(NamedTuple):
    """Beside the sets: what should go with the forget set, and what should not."""

    related: Sequence[Example] = ()
    unrelated: Sequence[Example] = ()

    @classmethod
    def of(cls, config: ExtrapolateConfig | None) -> "Aims":
        """From the files that the settings name."""
        return cls(_read(config.related), _read(config.unrelated)) if config is not None else cls()


@dataclass(frozen=True)
class Extrapolated:
    """The change at the chosen α, and how it was chosen."""

    change: WeightChange  # not sealed
    info: ExtrapolationInfo


class Alpha(float):
    """An α as a number that remembers how it was chosen."""

    def __new__(cls, found: Extrapolated) -> "Alpha":
        """From what `extrapolate` returns."""
        return super().__new__(cls, found.info.alpha)

    def __init__(self, found: Extrapolated) -> None:
        self.info, self.change = found.info, found.change

    @property
    def why(self) -> str:
        """One sentence."""
        return self.info.why


@dataclass(frozen=True)
class Scoring:
    """How likelihoods are measured along the line."""

    encoder: Encoder
    budget: int  # tokens of a forward pass
    bf16: bool = False


def check_extrapolate(config: ExtrapolateConfig, *, related: bool = False) -> Selector | None:
    """The selector; None for a given α. Raises for what can be seen to be wrong before a model is loaded.

    `related`: examples of it are at hand, whatever the settings say.
    """
    Aims.of(config)
    if config.alpha is not None:
        return None
    selector = selectors.get(config.selector)
    if selector.related and config.related is None and not related:
        raise ConfigError(f"the selector {selector.name!r} {NEEDS_RELATED}")
    if selector.directed and config.direction not in ("whole", "directed"):
        raise ConfigError(f"the selector {selector.name!r} has its own direction: leave `direction` out")
    if selector.directed and config.per == "bucket":
        raise ConfigError(
            f"the selector {selector.name!r} has its own direction, and an alpha per bucket goes along what each "
            "bucket changed: choose another selector, or leave `per` out"
        )
    return selector


def check_whole(config: ExtrapolateConfig) -> None:
    """Raises ConfigError for an alpha per bucket, where it is not known what each bucket changed."""
    if config.per == "bucket":
        raise ConfigError("an alpha per bucket needs the phases of a curriculum: use `expunge unlearn --extrapolate`")


def check_needs(config: ExtrapolateConfig, *, never: bool, retain: bool) -> None:
    """Raises ConfigError when the selector or the direction lacks what it looks at; to be called before training."""
    selector = check_extrapolate(config, related=True)
    if selector is not None and selector.never and not never:
        raise ConfigError(f"the selector {selector.name!r} {NEEDS_NEVER}")
    if direction_of(config) == "projected" and not retain:
        raise ConfigError("`direction: projected` spares the retain set, and there is none: give one")


def remarks(info: ExtrapolationInfo) -> tuple[str, ...]:
    """What went wrong, for the record's warnings."""
    found = []
    if not info.holds:
        found.append(f"at alpha {info.alpha:g} the utility floor does not hold: {info.why}")
    if info.overshoots:
        found.append(f"at alpha {info.alpha:g} the forget set is less likely than to a model that never knew")
    if info.tested is not None and info.utility_floor is not None and info.tested < info.utility_floor:
        found.append(
            f"at alpha {info.alpha:g} the half of the retain set that chose nothing keeps {info.tested:.2%} of the "
            f"utility, less than the floor of {info.utility_floor:.0%}"
        )
    if info.doubt and info.selector and info.utility_floor:
        found.append(info.doubt)
    return tuple(found)


def extrapolate(
    model: Model,
    sets: Sets,
    change: WeightChange | Attachment,
    config: ExtrapolateConfig,
    scoring: Scoring,
    *,
    floor: float,
    seed: int = 0,
    retrained: Model | None = None,
    related: Sequence[Example] = (),
    unrelated: Sequence[Example] = (),
    step: int | None = None,
    along: Direction | None = None,
    stored: Mapping[str, torch.dtype] | None = None,
    known: dict[float, Point] | None = None,
    tick: Callable[[str], object] = lambda _: None,
) -> Extrapolated:
    """Go on along a change of `model`, which ends with the bits it had.

    `seed` cuts the retain set into the half that chooses and the half that tests, as training does; `step` is that of
    the checkpoint the change is; `related` and `unrelated` stand for the files of the settings; `along` is a direction
    in place of the change itself; `stored` are the types to which tensors will be rounded in a folder. `known` takes
    what is measured, and gives it to another selector that looks at the same rows of the same line. `tick` is called
    after each α with what was measured.

    Raises ConfigError when a selector lacks what it needs, ChangeError for a side memory.
    """
    if isinstance(change, Attachment):
        raise ChangeError(f"a {type(change).__name__} is a side memory, which has no weights to extrapolate")
    aims = {"related": _read(config.related, related), "unrelated": _read(config.unrelated, unrelated)}
    selector = check_extrapolate(config, related=bool(aims["related"]))
    if not sets.forget:
        raise ConfigError("the forget set is empty: α is chosen by what is left of it")
    if along is not None and direction_of(config) != "whole":
        raise ConfigError(f"a direction was given, and the settings have their own ({direction_of(config)})")
    if along is None:
        check_whole(config)
    meter = _Meter.of(model, sets, aims, config, scoring, seed, floor)
    never = meter.never(retrained)
    check_needs(config, never=never is not None, retain=bool(sets.retain))
    start, test_start = meter.point(-1.0), meter.tested()
    aim = aims["related"] or sets.forget
    line = Line(change, along or _direction(model, sets, aim, change, config, scoring, seed), stored or {})
    back = BACK if along is None else ()  # a part along which one goes leads back to no model that was there
    goal = Goal(start, floor, never, config.grid, config.halvings, config.balance, back)
    seen = {} if known is None else known
    with line.on(model) as move:

        def measure(alpha: float) -> Point:
            if alpha not in seen:
                move(alpha)
                seen[alpha] = meter.point(alpha)
                tick(f"α {alpha:g}: forget {seen[alpha].forget:.3f}")
            return seen[alpha]

        curve = Curve(measure)
        if selector is None:
            assert config.alpha is not None
            curve(0.0)
            found = chosen(curve(config.alpha), "given", goal)
        else:
            found = selector.function(curve, goal)
        move(found.point.alpha)
        tested = meter.tested()
    alpha = found.point.alpha
    info = ExtrapolationInfo(
        alpha=alpha, selector=selector.name if selector else FIXED, direction=direction_of(config), why=found.why,
        step=step, start=_as_record(start), curve=tuple(_as_record(p) for p in curve.points),
        never_known=never.level if never else None, never_known_from=never.source if never else "",
        utility_floor=floor, holds=found.holds, overshoots=found.overshoots,
        tested=tested / test_start if tested is not None and test_start else None, doubt=doubt(meter.groups),
    )  # fmt: skip
    return Extrapolated(line.change_at(alpha, model), info)


@dataclass
class _Meter:
    """The rows that are scored at each α. The first point is the start, with which the later ones are compared."""

    sets: Sets  # its forget set is drawn
    model: Model
    scoring: Scoring
    encoded: Mapping[str, Sequence[Encoded]]  # forget, utility, related, unrelated
    test: Sequence[Encoded]
    groups: Sequence[str]  # of the utility's rows
    floor: float
    start: Tensor | None = None  # levels of the utility's rows

    @staticmethod
    def of(
        model: Model, sets: Sets, aims: Mapping[str, Sequence[Example]], config: ExtrapolateConfig, scoring: Scoring,
        seed: int, floor: float,
    ) -> "_Meter":  # fmt: skip
        drawn = partial(sample_of, size=config.examples, seed=config.seed)
        _, selection, test = retained(config, sets, seed)
        sets = replace(sets, forget=tuple(drawn(sets.forget)))
        further = {name: drawn(aim) for name, aim in aims.items() if aim}
        groups = {"forget": sets.forget, "utility": drawn(selection), **further}
        encoded = {name: scoring.encoder.encode_all(group) for name, group in groups.items()}
        names = [example.group or example.id for example in groups["utility"]]
        return _Meter(sets, model, scoring, encoded, scoring.encoder.encode_all(drawn(test)), names, floor)

    def point(self, alpha: float) -> Point:
        """All sets in one pass over the model as it is."""
        flat = [each for group in self.encoded.values() for each in group]
        values = iter(self._logs(self.model, flat).split([len(group) for group in self.encoded.values()]))
        logs = dict(zip(self.encoded, values))
        nll = {name: -found.mean().item() for name, found in logs.items() if len(found)}
        kept = logs["utility"].exp()
        if self.start is None:
            self.start = kept
        return Point(
            alpha, logs["forget"].exp().mean().item(), tuple(logs["forget"].tolist()),
            kept.mean().item() if len(kept) else None, margin(kept, self.start, self.floor, self.groups),
            nll.get("related"), nll.get("unrelated", nll.get("utility")),
        )  # fmt: skip

    def tested(self) -> float | None:
        """The utility on the half that chose nothing."""
        return self._logs(self.model, self.test).exp().mean().item() if self.test else None

    def never(self, retrained: Model | None) -> Never | None:
        """A retrained model says it best, then twins, then a holdout set."""
        if retrained is not None:
            logs = self._logs(retrained, self.encoded["forget"])
            return Never(logs.exp().mean().item(), tuple(logs.tolist()), "retrained model", logs.mean().item())
        encode = self.scoring.encoder.encode_all
        known = never_known(self.sets, lambda examples: self._logs(self.model, encode(examples)))
        if known is None:
            return None
        return Never(known.level, tuple(known.logs.tolist()), known.source, known.per_example.mean().item())

    def _logs(self, model: Model, encoded: Sequence[Encoded]) -> Tensor:
        return mean_log_probs(model, encoded, budget=self.scoring.budget, bf16=self.scoring.bf16)


def retained(
    config: ExtrapolateConfig, sets: Sets, seed: int
) -> tuple[Sequence[Example], Sequence[Example], Sequence[Example]]:
    """The retained rows whose gradients are spared, those whose utility chooses, and those that test.

    What a direction was fitted to says nothing of what it costs, so the first two share no group. Raises ConfigError
    where there are too few groups for that.
    """
    selection, test = halves(sets.retain, seed) if sets.retain else ([], [])
    if direction_of(config) != "projected":
        return (), selection, test
    utility, spared = halves(selection, seed)
    if sets.retain and not spared:
        raise ConfigError(
            "`direction: projected` spares one part of the retain set, looks at another and tests on a third: give "
            "retained rows of at least three groups"
        )
    return spared, utility, test


def _read(path: str | None, given: Sequence[Example] = ()) -> Sequence[Example]:
    return given or (load_data(forget=path).forget if path else ())


def direction_of(config: ExtrapolateConfig) -> str:
    """Along what: the selector's own direction, where it has one."""
    own = config.alpha is None and selectors.get(config.selector).directed
    return "directed" if own else config.direction


def _direction(
    model: Model, sets: Sets, aim: Sequence[Example], change: WeightChange, config: ExtrapolateConfig,
    scoring: Scoring, seed: int,
) -> Direction | None:  # fmt: skip
    match direction_of(config):
        case "weighted":
            return weighted(by_pattern(change.names, config.weights))
        case "directed":
            (gradient,) = _gradients(model, change, [sample_of(aim, config.examples, config.seed)], scoring)
            group = _layer_of(model) if config.by == "layers" else (lambda name: name)
            return weighted(directed(change, model, gradient, group))
        case "projected":
            kept = sample_of(retained(config, sets, seed)[0], config.examples, config.seed)
            parts = [part for i in range(config.gradients) if (part := kept[i :: config.gradients])]
            return projected(_gradients(model, change, parts, scoring))
    return None


def _gradients(
    model: Model, change: WeightChange, parts: Sequence[Sequence[Example]], scoring: Scoring
) -> list[dict[str, Tensor]]:
    """Of each part's NLL at θ_un, for the tensors that the change touches."""
    with change.applied_to(model):
        return [
            mean_gradient(
                model, change.names, scoring.encoder.encode_all(part), budget=scoring.budget, bf16=scoring.bf16
            )
            for part in parts
        ]


def _layer_of(model: Model) -> Callable[[str], str]:
    """A tensor's block, or itself outside of the blocks."""
    blocks = [model.layout.block(layer) for layer in range(model.layout.depth)]
    return lambda name: next((block for block in blocks if name.startswith(f"{block}.")), name)


def _as_record(point: Point) -> AlphaPoint:
    return AlphaPoint(
        alpha=point.alpha, forget=point.forget, log=point.log, utility=point.utility, related=point.related,
        unrelated=point.unrelated,
    )  # fmt: skip
