"""What a registered objective is, and the registry whose decorator reads it off the function's signature."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from torch import Tensor

from expunge.data.example import Sets
from expunge.objectives.measurements import MEASUREMENTS
from expunge.registry import Registry, options_of, summary_of

if TYPE_CHECKING:
    from jaxtyping import AbstractArray

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Prepared:
    """What `prepare` returns: the sets to train on, constants that the loss reads, remarks for the report."""

    sets: Sets
    constants: Mapping[str, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Objective:
    """A forget or retain loss with all that the loop must know of it.

    The optional parts, which take those of the options that they declare as keywords: `prepare(model, sets,
    generator, convention) -> Prepared` before training; `trains(layout) -> [parameter names]` that train unless
    the user gives a mask; `state() -> dict` and `step(state, retain_loss) -> dict` for what changes from step to step
    (`state["retain_weight"]` replaces the configured weight); `counts(measurements) -> Bool[tokens]`, the
    tokens that enter the average (all when there is none).
    """

    name: str
    function: Callable[..., Tensor]
    unit: Literal["example", "token"]
    paper: str
    measurements: tuple[str, ...]  # positional parameters, constants aside
    constants: tuple[str, ...]
    options: Mapping[str, inspect.Parameter]  # each with its default and annotation
    alternate: Literal["refusal", "prepared"] | None = None
    prepare: Callable[..., Prepared] | None = None
    trains: Callable[..., list[str]] | None = None
    state: Callable[..., dict[str, float]] | None = None
    step: Callable[..., dict[str, float]] | None = None
    counts: Callable[..., Tensor] | None = None

    @property
    def summary(self) -> str:
        """The first line of its file's docstring."""
        return summary_of(self.function.__module__)

    @property
    def needs(self) -> frozenset[str]:
        """What the loop has to compute for it: see `Measurement.needs`."""
        return frozenset().union(*(MEASUREMENTS[name].needs for name in self.measurements))


class Objectives(Registry[Objective]):
    """A registry of losses. All files of the package are imported on the first look-up."""

    def add(self, name: str, *, aliases: tuple[str, ...] = (), **parts: Any) -> Callable[[F], F]:
        """The decorator of a loss. `parts` are fields of `Objective`; `unit` and `paper` must be given.

        Raises TypeError when the signature asks for something that cannot be measured or leaves an option
        open.
        """

        def register(function: F) -> F:
            self.put(name, _read(name, function, **parts), aliases)
            return function

        return register


def _read(name: str, function: Callable[..., Any], *, constants: tuple[str, ...] = (), **parts: Any) -> Objective:
    helpers = [parts[part] for part in ("prepare", "trains", "state", "step", "counts") if parts.get(part)]
    asked = _measured(name, function, constants)
    if parts.get("counts"):
        asked += [each for each in _measured(name, parts["counts"], ()) if each not in asked]
    objective = Objective(
        name=name, function=function, constants=constants, measurements=tuple(asked),
        options=_options(name, [function, *helpers]), **parts,
    )  # fmt: skip
    if "hidden" in objective.needs and "layer" not in objective.options:
        raise TypeError(f"objective {name!r} reads hidden states, so it needs a keyword-only option `layer`")
    if "alternate" in objective.needs and not objective.alternate:
        raise TypeError(f"objective {name!r} reads a second answer: say where it is from with `alternate=`")
    return objective


def _measured(name: str, function: Callable[..., Any], constants: tuple[str, ...]) -> list[str]:
    """The measurements that a signature asks for, each with the shape that the table gives it."""
    positional = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY and parameter.name not in constants
    ]
    for parameter in positional:
        known = MEASUREMENTS.get(parameter.name)
        if known is None:
            raise TypeError(
                f"objective {name!r} asks for {parameter.name!r}, which the loop does not measure. An "
                "option must be keyword-only; what `prepare` makes must stand in `constants=`. The loop "
                f"measures (see objectives/measurements.py): {', '.join(MEASUREMENTS)}"
            )
        annotation: AbstractArray = parameter.annotation
        axes = getattr(annotation, "dim_str", None)
        if axes is not None and axes.strip() != known.axes:
            raise TypeError(
                f"objective {name!r}: {parameter.name!r} has axes {known.axes!r} "
                f"(objectives/measurements.py), not {axes.strip()!r}"
            )
    return [parameter.name for parameter in positional]


def _options(name: str, functions: list[Callable[..., Any]]) -> dict[str, inspect.Parameter]:
    """All keyword-only parameters. Several functions may read an option; exactly one has its default."""
    options: dict[str, inspect.Parameter] = {}
    for function in functions:
        for key, parameter in options_of(function).items():
            has_default = parameter.default is not inspect.Parameter.empty
            known = options.get(key)
            if known is not None and known.default is not inspect.Parameter.empty and has_default:
                raise TypeError(f"objective {name!r}: option {key!r} has two defaults; leave one out")
            if known is None or has_default:
                options[key] = parameter
    if missing := [key for key, parameter in options.items() if parameter.default is inspect.Parameter.empty]:
        raise TypeError(f"objective {name!r}: option {missing[0]!r} needs a default")
    return options
