"""AdamW with float32 masters and exact masks.

Weights held in bfloat16 would lose updates smaller than their last bit (at learning rate 1e-5 nearly all of them),
so the optimizer works on float32 copies where the model is not float32 itself. A mask is exact: gradients outside it
are zeroed before the norm is taken, Adam's moments there stay zero, and weight decay is applied inside it only.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from expunge.config import FitConfig
from expunge.mask import Mask
from expunge.train.wrappers import Gradient


class Optimizer:
    """Owns the masters, the moments and the learning rate of the trained parameters."""

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], mask: Mask | None, config: FitConfig, steps: int
    ) -> None:
        self.parameters = dict(parameters)
        self.mask = mask
        self.config = config
        self.steps = steps
        self.masters: dict[str, Tensor] = {
            name: p if p.dtype == torch.float32 else p.detach().float() for name, p in parameters.items()
        }
        self.adam = torch.optim.AdamW(
            list(self.masters.values()), lr=config.learning_rate, weight_decay=0.0, fused=True
        )

    @torch.no_grad()
    def step(self, gradient: Gradient, number: int, factor: float = 1.0) -> float:
        """Apply one gradient; `number` counts steps from 0, `factor` is of the rate. Returns the norm before clipping.

        A norm that is not finite changes nothing: the caller decides.
        """
        if self.mask is not None:
            self.mask.apply_to_gradients_(gradient)
        norm = torch.stack([g.float().norm() for g in gradient.values()]).norm().item()
        if not math.isfinite(norm):
            return norm
        rate = self.rate(number) * factor
        for group in self.adam.param_groups:
            group["lr"] = rate
        shrink = min(1.0, self.config.clip / (norm + 1e-6)) if self.config.clip else 1.0
        for name, master in self.masters.items():
            change = gradient[name].float()
            master.grad = change.mul_(shrink) if shrink < 1 else change
            self._decay(name, master, rate)
        self.adam.step()
        for name, master in self.masters.items():
            master.grad = None
            if master is not self.parameters[name]:
                self.parameters[name].copy_(master)
        return norm

    def rate(self, number: int) -> float:
        """Learning rate of step `number`: linear warm-up, then constant, linear or cosine."""
        warm = math.ceil(self.config.warmup * self.steps)
        if number < warm:
            return self.config.learning_rate * (number + 1) / warm
        done = (number - warm) / max(1, self.steps - warm)
        factor = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}
        return self.config.learning_rate * factor[self.config.decay]

    def _decay(self, name: str, master: Tensor, rate: float) -> None:
        """Decoupled weight decay, inside the mask only."""
        if not self.config.weight_decay:
            return
        factor = 1 - rate * self.config.weight_decay
        if self.mask is None:
            master.mul_(factor)
        else:
            master.copy_(torch.where(self.mask.outside(name).to(master.device), master, master * factor))

    def state(self) -> dict[str, Tensor]:
        """Masters and moments, for a checkpoint. Views, not copies."""
        table = {f"weight.{name}": master.detach() for name, master in self.masters.items()}
        for name, master in self.masters.items():
            for key, value in self.adam.state.get(master, {}).items():
                table[f"{key}.{name}"] = torch.as_tensor(value)
        return table

    @torch.no_grad()
    def load_state(self, table: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave, bit for bit."""
        for name, master in self.masters.items():
            master.copy_(table[f"weight.{name}"])
            if master is not self.parameters[name]:
                self.parameters[name].copy_(master)
            keys = [key for key in ("step", "exp_avg", "exp_avg_sq") if f"{key}.{name}" in table]
            if keys:
                self.adam.state[master] = {key: table[f"{key}.{name}"].clone() for key in keys}
