"""Edited: what an editor gives back. The change, what was fitted for each fact, and what can be taken back of it.

One fact of several is taken back exactly where the others do not depend on it: one layer solved at once (then it is
solved again without the fact), the last ones of a sequence, or a ball of a codebook that is one fact's alone. Elsewhere
keys and values of later steps were measured with the fact in place, so there is no exact way but to edit again without
it, which the kept values make cheap.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from expunge.change import Change, Factors, WeightChange
from expunge.edit.facts import Fact
from expunge.edit.values import Value
from expunge.edit.work import Work
from expunge.errors import ChangeError, RunError
from expunge.models.model import Model
from expunge.parameters import parameters_of

Changes = Mapping[str, Factors]  # by the parameter's name


@dataclass(frozen=True)
class Edited:
    """The facts are those that were asked for, in order; `values` one for each bundle of them."""

    change: Change
    facts: tuple[Fact, ...]
    values: tuple[Value, ...]
    notes: tuple[str, ...] = ()
    again: Callable[[list[int]], Change | None] = lambda rest: None  # the change of some facts alone
    keep: Callable[[Path], None] | None = None  # writes what the editor must know when it edits again

    def keeping(self, keep: Callable[[Path], None]) -> "Edited":
        """The same with a way to write what the next request needs."""
        return replace(self, keep=keep)

    def without(self, *ids: str) -> Change:
        """The change as it would be had these facts (their examples' ids) never been asked for.

        Raises ChangeError for ids that are not there, and where the algebra has no exact way.
        """
        if unknown := [each for each in ids if each not in {fact.example.id for fact in self.facts}]:
            raise ChangeError(f"no fact {unknown[0]!r} was edited")
        change = self.again([i for i, fact in enumerate(self.facts) if fact.example.id not in ids])
        if change is None:
            raise ChangeError(
                "these edits cannot be taken back one by one: later layers (or later facts, or the value that a bundle "
                "shares, or the memory of all) were measured with them in place. Take back the whole change and edit "
                "again without them (`--without`): the values of the others are kept"
            )
        return change


def factors_of(model: Model, layer: int, a: Tensor, wanted: Tensor) -> tuple[str, Factors]:
    """ΔW = Rᵀ A of a layer's down projection; `wanted` is R."""
    if not bool(a.isfinite().all()) or not bool(wanted.isfinite().all()):
        raise RunError(
            f"layer {layer}: the change is not finite, so nothing was edited: the model overflows at these facts, or "
            "its values ran away. Load it in float32 (`--dtype float32`), or lower `rate` or `clamp`"
        )
    name, axis = model.layout.value_vectors(layer)
    return name, Factors(a.contiguous(), wanted.T.contiguous(), transposed=axis == 0)


def change_of(work: Work, changes: Changes) -> WeightChange:
    """A change by factors; as whole matrices where the factors would take more room and nobody needs them."""
    model = work.model
    small = (sum(f.a.shape[1:] + f.b.shape[:1]) * len(f.a) < f.a.shape[1] * f.b.shape[0] for f in changes.values())
    if work.as_factors or all(small):
        return replace(WeightChange.low_rank(model.network, changes), origin=model.network)
    table = parameters_of(model.network)
    result = {**table, **{name: each.added_to(table[name].detach()) for name, each in changes.items()}}
    return replace(WeightChange.between(table, result), origin=model.network)


def torn(bundles: Sequence[Sequence[int]], rest: Sequence[int]) -> bool:
    """Whether a bundle would lose some of its facts and keep others: its value was fitted for all."""
    left = set(rest)
    return any(0 < len(left & set(bundle)) < len(bundle) for bundle in bundles)


class Drafts:
    """Within the block, weights are edited step by step; at its end they are what they were, bit for bit."""

    def __init__(self, model: Model, layers: Sequence[int]) -> None:
        table = parameters_of(model.network)
        names = [model.layout.value_vectors(layer).parameter for layer in layers]
        self._weights = {name: table[name] for name in names}
        self._before: dict[str, Tensor] = {}

    def __enter__(self) -> "Drafts":
        self._before = {name: weight.detach().clone() for name, weight in self._weights.items()}
        return self

    def __exit__(self, *_: object) -> None:
        with torch.no_grad():
            for name, before in self._before.items():
                self._weights[name].copy_(before)

    @torch.no_grad()
    def put(self, name: str, factors: Factors) -> None:
        """The weight is what it was with these factors (all of them) added."""
        self._weights[name].copy_(factors.added_to(self._before[name]))
