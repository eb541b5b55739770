"""The line through a change: the weights θ(α) = θ_un + α · u. Wang et al. 2025 (UIPE), arXiv:2503.04693.

    v = θ_un - θ_ini  in float32        u = v (the paper's), or a direction made from it (`directions.py`)

α = 0 is θ_un bit for bit, and weights that the change leaves alone stay as they are. Below 0 lies the way back along
the change itself, whatever u is; α = -1 is θ_ini. With u = v and a LoRA the merged change is meant: its scaling times
1 + α, never A and B apart, which would give (1 + α)².

Deviations: none for u = v; other directions are not the paper's.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from expunge.change import WeightChange
from expunge.change.bits import same
from expunge.change.overwriting import put
from expunge.change.stored import difference
from expunge.errors import ConfigError
from expunge.parameters import Parameters, Weights, parameters_of

Direction = Callable[[str, Tensor], Tensor]  # a tensor's name and its v (float32) → its u


@dataclass(frozen=True)
class Line:
    """θ(α) for every α; `direction` None means u = v.

    With `stored` each tensor that it names is rounded to that type, as where it is going to be written.
    """

    change: WeightChange
    direction: Direction | None = None
    stored: Mapping[str, torch.dtype] = field(default_factory=dict)

    def at(self, alpha: float, name: str, base: Tensor) -> Tensor:
        """One tensor of θ(α) from that of θ_ini."""
        exact = self._exact(alpha, name, base)
        return exact.to(self.stored.get(name, exact.dtype)).to(exact.dtype)

    def _exact(self, alpha: float, name: str, base: Tensor) -> Tensor:
        if self.direction is None or alpha < 0:
            return self.change.scaled(1 + alpha).after(name, base)
        after = self.change.after(name, base)
        if alpha == 0:
            return after
        wide = torch.promote_types(after.dtype, torch.float32)
        moved = (after.to(wide) + alpha * self.direction(name, difference(base, after))).to(after.dtype)
        return torch.where(same(base, after), after, moved)

    def change_at(self, alpha: float, base: Weights) -> WeightChange:
        """What leads from θ_ini to θ(α). Raises ConfigError for α below -1, which is beyond θ_ini."""
        if alpha < -1:
            raise ConfigError(f"alpha is {alpha:g}, and at -1 the whole change is taken back: give no less")
        if alpha == 0:
            return self.change
        if (self.direction is None or alpha < 0) and not self.stored:
            return self.change.scaled(1 + alpha)
        weights = parameters_of(base)
        self.change.check(weights)
        return WeightChange.between(weights, _On(self, alpha, weights), record=self.change.record)

    @contextmanager
    def on(self, model: Weights) -> Iterator[Callable[[float], None]]:
        """Within the block, calling what it yields puts θ(α) into the model; at its end the model has its own bits.

        The model must be the base, which is checked once; besides it, a copy of the tensors concerned is kept.
        """
        weights = parameters_of(model)
        self.change.check(weights)
        kept = {name: weights[name].detach().clone() for name in self.change.names}

        def move(alpha: float) -> None:
            for name, base in kept.items():
                put(weights, {name: self.at(alpha, name, base)})

        try:
            yield move
        finally:
            put(weights, kept)


class _On(Mapping[str, Tensor]):
    """θ(α) tensor by tensor, so that no second model is made."""

    def __init__(self, line: Line, alpha: float, base: Parameters) -> None:
        self._line, self._alpha, self._base = line, alpha, base
        self._touched = frozenset(line.change.names)
        self.ties = base.ties

    def __getitem__(self, name: str) -> Tensor:
        base = self._base[name].detach()
        return self._line.at(self._alpha, name, base) if name in self._touched else base

    def __iter__(self) -> Iterator[str]:
        return iter(self._base)

    def __len__(self) -> int:
        return len(self._base)
