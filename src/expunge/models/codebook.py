"""The codebook: balls around keys, and what a layer gives within them. Hartvigsen et al. 2023, arXiv:2211.11031.

    d, j = min over balls of ‖a - 𝕂_j‖₂,   a: what the layer reads at a token
    output := 𝕍_j  if d ≤ ε_j,  else what the layer gives

Every token is looked up, alone: so a text gives the same however it is batched, padded or cut into passes, and with the
key-value cache, where a pass has a single token, as without. Tokens outside all balls keep their bits.
Deviations: the authors look up a prompt's last token and those that are generated after it; but where a prompt ends is
not seen by a layer, and depends on how the text is passed. A distance may exceed ε by s (‖𝕂‖ + ε), s from `slack_of`:
what one token reads differs that much from batch to batch, and a ball that was expanded ends just where the fact lies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from expunge.change.attachment_file import Held
from expunge.change.bits import digest, type_name
from expunge.change.fingerprint import Fingerprint
from expunge.models.attaching import Hook, LayerAttachment

SLACK = 1e-5  # of the norm of what is read, in float32 and wider
_HALF = {torch.bfloat16: 2e-2, torch.float16: 1e-2}  # tiny models of every architecture: up to 1.1e-2 and 2.4e-3
_ROUNDING = 1e-4  # of the squared norms: what a product of matrices may be wrong by


def slack_of(*types: torch.dtype) -> float:
    """How far a token's read moves from batch to batch, relative to its norm, in the least exact of these types.

    >>> slack_of(torch.float32), slack_of(torch.float32, torch.bfloat16)
    (1e-05, 0.02)
    """
    return max(_HALF.get(each, SLACK) for each in types)


@dataclass(frozen=True, eq=False)
class Balls:
    """What is looked up. Axis `balls`."""

    keys: Float[Tensor, "balls in"]
    values: Float[Tensor, "balls out"]
    radii: Float[Tensor, " balls"]
    slack: float = SLACK  # of the type in which the keys were read

    @torch.no_grad()
    def find(self, read: Float[Tensor, "tokens in"]) -> Int[Tensor, " tokens"]:
        """The ball that each token lies in, by the nearest key; -1: in none."""
        found = torch.full((len(read),), -1, dtype=torch.long, device=read.device)
        keys, radii = self.keys.to(read.device), self.radii.to(read.device)
        slack = max(self.slack, slack_of(*_types_of(read)))
        with torch.autocast(read.device.type, enabled=False):
            read = read.detach().to(keys.dtype)
            reach = radii + slack * (keys.norm(dim=1) + radii)
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
        return Balls(self.keys.to(device), self.values.to(device), self.radii.to(device), self.slack)


def _types_of(read: Tensor) -> tuple[torch.dtype, ...]:
    """Its own, and that of autocast, in which it came about whatever type it has now."""
    device = read.device.type
    return (read.dtype, torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else (read.dtype,)


@torch.no_grad()
def _maybe_inside(read: Tensor, keys: Tensor, reach: Tensor) -> Tensor:
    """Bool [tokens]: false where a token lies outside all balls for sure, by a cheap product of matrices."""
    squares = read.square().sum(1)[:, None] + keys.square().sum(1)
    return (squares - 2 * read @ keys.T <= reach.square() + _ROUNDING * squares).any(1)


@dataclass(frozen=True, eq=False)
class Codebook(LayerAttachment):
    """GRACE's memory: balls, and of which facts they are.

    `queries`, `first`, `limits`, `labels` and `ids` are those of all facts that were asked for, in order: the balls
    follow from them by the rules of `edit/balls.py`, with some of them or with further ones. Labels are only compared,
    so digests stand for the targets: the file holds no text.
    """

    form: ClassVar[str] = "codebook"
    balls: Balls
    chains: tuple[tuple[int, ...], ...]  # of each ball: the facts on which its value was fitted, in order
    queries: Float[Tensor, "facts in"]
    first: Float[Tensor, " facts"]  # the radius that a new ball gets
    limits: Float[Tensor, " facts"]  # no ball around this query may reach so far
    labels: tuple[str, ...]  # of the targets, by `label_of`
    ids: tuple[str, ...]  # of the facts' examples
    salt: str  # of the labels

    def hook_on(self, network: nn.Module, layer: nn.Module) -> None:
        weight: Any = layer.weight
        layer.register_forward_hook(_CodebookHook(self, self.balls.to(weight.device)))

    def about(self) -> dict[str, Any]:
        return {
            "chains": [list(chain) for chain in self.chains], "labels": list(self.labels), "salt": self.salt,
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
        salt = about.get("salt") or salt_of(held.base, tensors["queries"])
        # files of format 1 hold the targets' tokens instead, and no salt
        labels = tuple(each if isinstance(each, str) else label_of(salt, each) for each in about["labels"])
        balls = Balls(tensors["keys"], tensors["values"], tensors["radii"], slack_in(held.base, about["path"]))
        return cls(
            held.base, about["path"], held.record, balls, tuple(tuple(chain) for chain in about["chains"]),
            tensors["queries"], tensors["first"], tensors["limits"], labels, tuple(about["ids"]), salt,
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


def slack_in(base: Fingerprint, path: str) -> float:
    """`slack_of` the type of a layer's weights."""
    return slack_of(base.stamps[f"{path}.weight"].torch_dtype)


def salt_of(base: Fingerprint, queries: Float[Tensor, "facts in"]) -> str:
    """Another one for each first request; not drawn, since the same request is to give the same bytes."""
    return blake2b(f"{base.id} {digest(queries)}".encode(), digest_size=16).hexdigest()


def label_of(salt: str, tokens: Sequence[int]) -> str:
    """What stands for a target. It hides the text from readers, not from those who guess it."""
    return blake2b(repr(tuple(tokens)).encode(), digest_size=16, key=bytes.fromhex(salt)).hexdigest()
