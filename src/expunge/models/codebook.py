"""The codebook: balls around keys, and what a layer gives within them. Hartvigsen et al. 2023, arXiv:2211.11031.

    d, j = min over balls of ‖a - 𝕂_j‖₂,   a: what the layer reads at a token
    output := 𝕍_j  if d ≤ ε_j,  else what the layer gives

Every token is looked up, alone: so a text gives the same however it is batched, padded or cut into passes, and with the
key-value cache, where a pass has a single token, as without. Tokens outside all balls keep their bits.
Deviations: the authors look up a prompt's last token and those that are generated after it; but where a prompt ends is
not seen by a layer, and depends on how the text is passed. A distance may exceed ε by 1e-5 ‖𝕂‖: what one token reads
differs that much from batch to batch, and a ball that was expanded ends just where the fact lies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from expunge.change.attachment_file import Held
from expunge.change.bits import type_name
from expunge.models.attaching import Hook, LayerAttachment

SLACK = 1e-5  # of a key's norm
_ROUNDING = 1e-4  # of the squared norms: what a product of matrices may be wrong by


@dataclass(frozen=True, eq=False)
class Balls:
    """What is looked up. Axis `balls`."""

    keys: Float[Tensor, "balls in"]
    values: Float[Tensor, "balls out"]
    radii: Float[Tensor, " balls"]

    @torch.no_grad()
    def find(self, read: Float[Tensor, "tokens in"]) -> Int[Tensor, " tokens"]:
        """The ball that each token lies in, by the nearest key; -1: in none."""
        found = torch.full((len(read),), -1, dtype=torch.long, device=read.device)
        keys = self.keys.to(read.device)
        with torch.autocast(read.device.type, enabled=False):
            read = read.detach().to(keys.dtype)
            reach = self.radii.to(keys) + SLACK * keys.norm(dim=1)
            rows = _maybe_inside(read, keys, reach).nonzero()[:, 0]
            if len(rows):
                distance = torch.cdist(read[rows], keys, compute_mode="donot_use_mm_for_euclid_dist")
                nearest, ball = distance.min(1)
                found[rows] = torch.where(nearest <= reach[ball], ball, -1)
        return found

    def given(self, read: Float[Tensor, "*batch in"], output: Float[Tensor, "*batch out"]) -> Tensor:
        """The layer's output with the values in place; the very tensor where no token lies in a ball."""
        ball = self.find(read.flatten(0, -2))
        inside = ball >= 0
        if not bool(inside.any()):
            return output
        values = self.values.to(output)[ball.clamp(min=0)]
        return torch.where(inside[:, None], values, output.flatten(0, -2)).view_as(output)

    def to(self, device: torch.device) -> "Balls":
        return Balls(self.keys.to(device), self.values.to(device), self.radii.to(device))


@torch.no_grad()
def _maybe_inside(read: Tensor, keys: Tensor, reach: Tensor) -> Tensor:
    """Bool [tokens]: false where a token lies outside all balls for sure, by a cheap product of matrices."""
    squares = read.square().sum(1)[:, None] + keys.square().sum(1)
    return (squares - 2 * read @ keys.T <= reach.square() + _ROUNDING * squares).any(1)


@dataclass(frozen=True, eq=False)
class Codebook(LayerAttachment):
    """GRACE's memory: balls, and of which facts they are.

    `queries`, `first`, `limits`, `labels` and `ids` are those of all facts that were asked for, in order: the balls
    follow from them by the rules of `edit/balls.py`, with some of them or with further ones.
    """

    form: ClassVar[str] = "codebook"
    balls: Balls
    chains: tuple[tuple[int, ...], ...]  # of each ball: the facts on which its value was fitted, in order
    queries: Float[Tensor, "facts in"]
    first: Float[Tensor, " facts"]  # the radius that a new ball gets
    limits: Float[Tensor, " facts"]  # no ball around this query may reach so far
    labels: tuple[tuple[int, ...], ...]  # tokens of the targets
    ids: tuple[str, ...]  # of the facts' examples

    def hook_on(self, network: nn.Module, layer: nn.Module) -> None:
        weight: Any = layer.weight
        layer.register_forward_hook(_CodebookHook(self, self.balls.to(weight.device)))

    def about(self) -> dict[str, Any]:
        return {
            "chains": [list(chain) for chain in self.chains], "labels": [list(label) for label in self.labels],
            "ids": list(self.ids), "type": type_name(self.balls.keys.dtype),
        }  # fmt: skip

    def tensors(self) -> dict[str, Tensor]:
        return {
            "keys": self.balls.keys, "values": self.balls.values, "radii": self.balls.radii, "queries": self.queries,
            "first": self.first, "limits": self.limits,
        }  # fmt: skip

    @classmethod
    def of(cls, held: Held) -> "Codebook":
        about, tensors = held.about, held.tensors
        return cls(
            held.base, about["path"], held.record, Balls(tensors["keys"], tensors["values"], tensors["radii"]),
            _tuples(about["chains"]), tensors["queries"], tensors["first"], tensors["limits"],
            _tuples(about["labels"]), tuple(about["ids"]),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.chains)

    def __repr__(self) -> str:
        return f"Codebook({len(self)} balls at {self.path}, {len(self.ids)} facts)"


class _CodebookHook(Hook):
    def __init__(self, attachment: Codebook, balls: Balls) -> None:
        super().__init__(attachment)
        self._balls = balls

    def __call__(self, _layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return self._balls.given(inputs[0], output)


def _tuples(lists: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(each) for each in lists)
