"""A change of weights: applied and reverted exactly, scaled, masked, added, measured, saved.

It is a sum of terms (`terms.py`) that meets its base tensor by tensor. With one term of factor 1 and no mask
it is *stored*: apply and revert give the very bits. Otherwise it is *computed*, in float32 against the base,
and `sealed` turns it into a stored one.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import hypot
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from expunge.change.adapters import check_untied, save_adapter, taken_from
from expunge.change.comparing import check, compare, verified
from expunge.change.file import Content, read_change, write_change
from expunge.change.fingerprint import Fingerprint
from expunge.change.lowrank import Factors, LowRank, fingerprint_for
from expunge.change.overwriting import Typed, overwrite, put
from expunge.change.stored import Differences, Norm, Stored, difference
from expunge.change.terms import Term, evaluate, merged
from expunge.errors import ChangeError
from expunge.mask import Mask
from expunge.parameters import Parameters, Weights, parameters_of

_NO_WAY_BACK = (
    "a scaled, masked or added change does not undo by itself: use `applied_to`, or make it exact with "
    "`change.sealed(base)` before it is applied"
)


@dataclass(frozen=True, eq=False)
class WeightChange:
    """What was done to the weights of the model that `base` describes."""

    base: Fingerprint
    terms: tuple[Term, ...]
    record: Mapping[str, Any] = field(default_factory=dict)  # JSON: where the change came from
    origin: Weights = None  # the base weights where they are at hand, for `sealed`; checked when used

    @classmethod
    def between(
        cls,
        base: Weights,
        result: Weights,
        mask: Mask | None = None,
        record: Mapping[str, Any] | None = None,
    ) -> "WeightChange":
        """What leads from `base` to `result` (networks, or mappings name → tensor with the same names).

        Only what differs is stored. `base` is kept (not copied) for arithmetic that needs it.
        ChangeError if names, shapes or types do not match, or if something outside the mask differs.
        """
        fingerprint, stored = compare(parameters_of(base), parameters_of(result), mask)
        return cls(fingerprint, (Term(stored),), record or {}, base)

    @classmethod
    def low_rank(
        cls, base: Weights, factors: Mapping[str, Factors], record: Mapping[str, Any] | None = None
    ) -> "WeightChange":
        """base + scaling · B A for each matrix that `factors` names."""
        weights = parameters_of(base)
        check_untied(weights, factors)
        fingerprint = fingerprint_for(factors, weights)
        return cls(fingerprint, (Term(LowRank.of(factors, weights)),), record or {}, base)

    @classmethod
    def from_peft(
        cls, network: nn.Module, adapter: str = "default", record: Mapping[str, Any] | None = None
    ) -> "WeightChange":
        """The LoRA adapter of a network that PEFT wrapped; names are those of the network without PEFT."""
        base, factors = taken_from(network, adapter)
        return cls.low_rank(base, factors, record)

    @classmethod
    def load(cls, path: str | Path) -> "WeightChange":
        """Reads the header; tensors are read when they are needed."""
        base, stored, record = read_change(Path(path))
        return cls(base, (Term(stored),), record)

    def save(self, path: str | Path, base: Weights = None) -> None:
        """One safetensors file (format: `change/file.py`). A computed change is sealed first."""
        sealed = self.sealed(base)
        write_change(Path(path), Content(sealed.base, sealed.terms[0].stored, sealed.record))

    def save_peft(self, folder: str | Path, base_name: str = "", dtype: torch.dtype | None = None) -> None:
        """An adapter folder that plain PEFT loads; for low-rank changes and multiples of them.

        With `dtype` the factors are stored so, half as large in bfloat16: then it is nearly, not exactly, this change.
        """
        match self.terms:
            case (Term(stored=LowRank() as stored, factor=factor, mask=None),):
                save_adapter(stored.scaled_factors(factor), Path(folder), base_name, dtype)
            case _:
                raise ChangeError(
                    f"a {self.kind} change is not a low-rank one: get an adapter by training with `--lora`, or by an "
                    "editor of facts with `--save-as peft`; or save a full model with `--save-as full`"
                )

    # ---- what it is

    @property
    def stored(self) -> Stored | None:
        """What a file would hold, if apply and revert need no arithmetic."""
        match self.terms:
            case (Term(stored=stored, factor=1.0, mask=None),):
                return stored
        return None

    @property
    def kind(self) -> str:
        """ "dense", "indexed", "low-rank", or "computed"."""
        return self.stored.kind if self.stored else "computed"

    @property
    def names(self) -> tuple[str, ...]:
        """The tensors that it touches, in stored order."""
        return tuple(name for name in self.base.stamps if any(term.touches(name) for term in self.terms))

    @property
    def results(self) -> Mapping[str, str]:
        """Digests of the touched tensors afterwards; empty for a computed change."""
        return self.stored.results if self.stored else {}

    @property
    def result_id(self) -> str:
        """`Fingerprint.id` of the weights afterwards; "" for a computed change, which says nothing before it is met."""
        return self.base.with_digests(self.results).id if self.stored is not None else ""

    def after(self, name: str, before: Tensor) -> Tensor:
        """The changed tensor from that of the base. Does not check that it is the base."""
        return evaluate(self.terms, name, before)

    def before(self, name: str, after: Tensor) -> Tensor:
        """The tensor of the base from the changed one; ChangeError for a computed change."""
        if self.stored is None:
            raise ChangeError(_NO_WAY_BACK)
        return self.stored.before(name, after) if name in self.stored.results else after

    def delta(self, name: str, base: Tensor) -> Tensor:
        """after - base of one tensor in float32; zero where nothing changes."""
        return difference(base, self.after(name, base))

    def norms(self, base: Weights = None) -> dict[str, Norm]:
        """Per touched tensor: the norm of its change, and that relative to the tensor's own norm."""
        match self.terms:
            case (Term(stored=stored, factor=factor, mask=None),):
                return {n: Norm(abs(factor) * a, abs(factor) * r) for n, (a, r) in stored.norms.items()}
        return self.sealed(base).norms()

    def norm(self, base: Weights = None) -> float:
        """Of the whole change."""
        return hypot(*(each.absolute for each in self.norms(base).values()))

    def __repr__(self) -> str:
        return f"WeightChange({self.kind}, {len(self.names)} of {len(self.base.stamps)} tensors)"

    # ---- arithmetic

    def scaled(self, factor: float) -> "WeightChange":
        """A multiple: 1 is the change itself, 0 is none, 1 + α extrapolates (UIPE), below 0 negates."""
        terms = merged(replace(term, factor=term.factor * factor) for term in self.terms)
        return replace(self, terms=terms)

    def masked(self, mask: Mask) -> "WeightChange":
        """The part of it inside a mask."""
        mask.check_shapes({name: stamp.shape for name, stamp in self.base.stamps.items()})
        return replace(self, terms=merged(term.within(mask) for term in self.terms))

    def __add__(self, other: "WeightChange") -> "WeightChange":
        """Both; where both move a weight, the sum of what they add. They must have the same base."""
        if not isinstance(other, WeightChange):
            return NotImplemented
        if odd := self.base.differing(other.base):
            raise ChangeError(
                f"the two changes are for different models: {len(odd)} tensors differ, the first is "
                f"{odd[0]}. Add changes that were made from the same model."
            )
        origin = self.origin if self.origin is not None else other.origin
        return replace(self, terms=merged((*self.terms, *other.terms)), origin=origin)

    def __neg__(self) -> "WeightChange":
        """base - delta: a task vector negated (this is not how a change is undone; see `revert_from`)."""
        return self.scaled(-1.0)

    def __sub__(self, other: "WeightChange") -> "WeightChange":
        return self + -other

    def sealed(self, base: Weights = None) -> "WeightChange":
        """The same change as a stored one: exact in both directions, and fit to be saved.

        A computed one needs the base weights: those it was made from if they are still at hand, else `base`.
        """
        if self.stored is not None:
            return self
        if not self.terms:
            return replace(self, terms=(Term(Differences.of(())),))
        source = self.origin if base is None else base
        if source is None:
            raise ChangeError(
                "a scaled, masked or added change is computed from its base: give the base weights, "
                "`change.save(path, base=model)` or `change.sealed(model)`"
            )
        weights = parameters_of(source)
        check(self.base, {}, weights, applied=False)
        typed = Typed(weights, self.base)
        match self.terms:
            case (Term(stored=LowRank() as stored, factor=factor, mask=None),):
                found: Stored = LowRank.of(stored.scaled_factors(factor), typed)
            case _:
                found = Differences.of((name, typed[name], self.after(name, typed[name])) for name in self.names)
        return replace(self, terms=(Term(found),), origin=source)

    # ---- models in memory

    def apply_to(self, model: Weights) -> None:
        """Change a network, a `Model` or a dict of tensors in place, after a check that it is the base."""
        self._move(parameters_of(model), applied=False)

    def revert_from(self, model: Weights) -> None:
        """Undo `apply_to` to the bit; the model must be just as `apply_to` left it."""
        self._move(parameters_of(model), applied=True)

    @contextmanager
    def applied_to(self, model: Weights) -> Iterator[None]:
        """Applied inside the block; what was overwritten is put back at its end, also after an error."""
        weights = parameters_of(model)
        kept = self._move(weights, applied=False)
        try:
            yield
        finally:
            put(weights, kept)

    def _move(self, weights: Parameters, applied: bool) -> dict[str, Tensor]:
        """From base to result, or back; returns what it overwrote."""
        self.check(weights, applied)
        typed = Typed(weights, self.base)

        def new(name: str) -> Tensor:
            tensor = self.before(name, typed[name]) if applied else self.after(name, typed[name])
            return verified(name, tensor, self.base.stamps[name].digest if applied else self.results.get(name))

        return overwrite(weights, self.names, new)

    def check(self, weights: Weights, applied: bool = False) -> None:
        """ChangeError unless the weights are those of the base (`applied`: with this change in them)."""
        if applied and self.stored is None:
            raise ChangeError(_NO_WAY_BACK)
        check(self.base, self.results, parameters_of(weights), applied)
