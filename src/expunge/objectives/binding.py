"""An objective with its options settled: what the training loop holds."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor

from expunge.config import ConventionConfig
from expunge.data.example import Sets
from expunge.errors import ConfigError
from expunge.models.layout import Layout
from expunge.models.model import Model
from expunge.objectives.objective import Objective, Prepared
from expunge.objectives.options import checked
from expunge.objectives.steering import block_at
from expunge.registry import options_of


@dataclass(frozen=True)
class Bound:
    """An objective and the value of every option. Calls hand each part the options that it declares."""

    objective: Objective
    options: Mapping[str, Any]

    def __call__(self, measured: Mapping[str, Tensor]) -> Tensor:
        """The loss per example or per token, unreduced. `measured`: measurements and constants by name."""
        return self._call(self.objective.function, measured)

    def counted(self, measured: Mapping[str, Tensor]) -> Tensor | None:
        """Which tokens enter the average, Bool[tokens]; None when all do."""
        return self._call(self.objective.counts, measured) if self.objective.counts else None

    def layer(self, layout: Layout) -> int | None:
        """The block whose output is measured as `hidden`, or None when it reads none."""
        return block_at(self.options["layer"], layout.depth) if "layer" in self.options else None

    def prepare(
        self, model: Model, sets: Sets, generator: torch.Generator, convention: ConventionConfig | None = None
    ) -> Prepared:
        """What has to be done before training; nothing, for most."""
        prepare = self.objective.prepare
        if prepare is None:
            return Prepared(sets)
        return prepare(model, sets, generator, convention or ConventionConfig(), **self._of(prepare))

    def trains(self, layout: Layout) -> list[str] | None:
        """The parameters to train when the user gives no mask; None for all."""
        trains = self.objective.trains
        return trains(layout, **self._of(trains)) if trains else None

    def state(self) -> dict[str, float]:
        """What changes from step to step, as it is at the start. Empty for most."""
        return self.objective.state(**self._of(self.objective.state)) if self.objective.state else {}

    def step(self, state: Mapping[str, float], retain_loss: float) -> dict[str, float]:
        """The state after an optimizer step whose retain loss, averaged and unweighted, was `retain_loss`."""
        step = self.objective.step
        return step(dict(state), retain_loss, **self._of(step)) if step else dict(state)

    def _call(self, function: Callable[..., Tensor], measured: Mapping[str, Tensor]) -> Tensor:
        names = [
            name
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.kind is not inspect.Parameter.KEYWORD_ONLY
        ]
        return function(*(measured[name] for name in names), **self._of(function))

    def _of(self, function: Callable[..., Any]) -> dict[str, Any]:
        return {name: self.options[name] for name in options_of(function)}


def bind(objective: Objective, options: Mapping[str, Any], *, beside: Bound | None = None) -> Bound:
    """Settle the options: the user's, checked, and the defaults for the rest. Text is read as numbers.

    A retain loss is bound `beside` its forget objective: a `layer` that is not given is the neighbour's,
    since a state before the parameters that train holds nothing back. Raises ConfigError for an unknown
    option, a wrong type or a value out of range.
    """
    values = {name: parameter.default for name, parameter in objective.options.items()}
    if beside is not None and "layer" in values and "layer" in beside.options:
        values["layer"] = beside.options["layer"]
    for name, value in options.items():
        parameter = objective.options.get(name)
        if parameter is None:
            raise ConfigError(_unknown(objective, name))
        values[name] = checked(f"option {name!r} of {objective.name!r}", value, parameter.annotation)
    return Bound(objective, values)


def _unknown(objective: Objective, name: str) -> str:
    if not objective.options:
        return f"{objective.name!r} has no options, so not {name!r} either"
    near = get_close_matches(name, objective.options, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    known = ", ".join(f"{key} (default {parameter.default})" for key, parameter in objective.options.items())
    return f"{objective.name!r} has no option {name!r}.{hint} Known: {known}"
