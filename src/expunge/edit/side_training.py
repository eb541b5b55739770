"""Training of a side memory: one edit, a few rows, one matrix. The equations are in `wise.py`.

All rows of an edit, its facts in every context, run together. What stands below the edited block is computed once for
an edit; W' answers for all tokens of a row, and the vocabulary is projected at the targets only. Irrelevant prompts
need no passes: what the layer reads of them never changes, and Δ asks for no more.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from expunge.data.forest import Forest, plant
from expunge.edit.facts import Row
from expunge.edit.reading import read_tokens
from expunge.edit.work import Work
from expunge.errors import RunError
from expunge.models.gradients import gradients_of
from expunge.models.memories import apart, through
from expunge.models.model import Model
from expunge.models.resuming import output_seen, resumed
from expunge.models.scoring import forward
from expunge.models.texts import Texts, of_forest
from expunge.models.watching import edit_layer, module_at, stopping_after

STEPS = 10  # in which the margin alone would be met, by the rule of the rate


@dataclass(frozen=True)
class Margins:
    """α, β, γ."""

    alpha: float
    beta: float
    gamma: float


@dataclass(frozen=True)
class Learning:
    """Of SGD, and when it ends."""

    rate: float
    steps: int
    stop: float
    settled: float
    decay: float
    norm: float


@dataclass(frozen=True)
class Scale:
    """Of a layer, over irrelevant tokens."""

    margins: Margins
    energy: float  # mean ‖a‖²


@dataclass
class Shard:
    """W' in the making, and which of its entries may change."""

    weight: Tensor
    mask: Bool[Tensor, "out in"]


@torch.no_grad()
def margins_for(layer: Any, reads: Float[Tensor, "tokens in"], times: float, act: str) -> Scale:
    """β: `times` the mean norm of what the layer gives, without its bias; α = β/4, γ = β/2."""
    nothing = through(layer, reads, torch.zeros_like(layer.weight))
    beta = times * float(apart(layer.forward(reads), nothing, act).mean())
    return Scale(Margins(beta / 4, beta, beta / 2), float(reads.double().square().sum(1).mean()))


def rate_for(margins: Margins, scale: Scale, drawn: float) -> float:
    """A step of [β - Δ]₊ moves Δ by about rate · ρ · ‖a‖²."""
    return margins.beta / (STEPS * drawn * scale.energy)


@dataclass(frozen=True)
class Irrelevant:
    """Prompts that must not go through the memory, by where they come from, and what the layer reads of them."""

    prompts: Sequence[Sequence[tuple[int, ...]]]
    reads: Sequence[Sequence[Float[Tensor, "tokens in"]]]  # but of each first token

    @classmethod
    def of(cls, model: Model, block: int, prompts: Sequence[Sequence[tuple[int, ...]]]) -> "Irrelevant":
        """Of prompts of two tokens and more."""
        weight: Any = module_at(model, model.layout.mlp_out(block)).weight
        return cls(prompts, [[r[1:].to(weight) for r in read_tokens(model, block, each)] for each in prompts])

    @property
    def tokens(self) -> Float[Tensor, "tokens in"]:
        return torch.cat([read for several in self.reads for read in several])

    def drawn(self, count: int, generator: torch.Generator) -> list[Float[Tensor, "tokens in"]]:
        """So many of each kind, no one twice."""
        orders = [torch.randperm(len(each), generator=generator).tolist()[:count] for each in self.reads]
        return [each[i] for each, order in zip(self.reads, orders) for i in order]


@dataclass(frozen=True)
class Side:
    """What all edits share."""

    work: Work
    block: int
    margins: Margins
    how: Learning
    activation: str
    contexts: Sequence[str]
    others: Irrelevant
    irrelevant: int  # of each kind in an edit

    @cached_property
    def layer(self) -> Any:
        return module_at(self.work.model, self.path)

    @property
    def path(self) -> str:
        return self.work.model.layout.mlp_out(self.block)

    @cached_property
    def main(self) -> Tensor:
        """W, in float32 at least: steps are too small for narrower types."""
        weight = self.layer.weight.detach()
        return weight.to(torch.promote_types(weight.dtype, torch.float32)).clone()

    def rows(self, bundle: Sequence[int]) -> list[Row]:
        """The facts of an edit in every context."""
        return [row for i in bundle for row in self.work.rows.of(self.work.facts[i], self.contexts)]

    def learn(self, shard: Shard, bundle: Sequence[int], number: int) -> tuple[float, int]:
        """One edit into W'; the loss at the end and how many steps there were."""
        with gradients_of(self.work.model, ()):
            return _Edit(self, self.rows(bundle), self._drawn(number)).run(shard)

    def _drawn(self, number: int) -> list[Tensor]:
        """What the layer reads of an edit's irrelevant prompts."""
        generator = torch.Generator().manual_seed(7_919 * self.work.seed + 31 * number + 1)
        return self.others.drawn(self.irrelevant, generator)


class _Edit:
    """One edit's rows, what stands below the block, and the steps."""

    def __init__(self, side: Side, rows: Sequence[Row], others: Sequence[Tensor]) -> None:
        self.side = side
        self.forest: Forest = plant([[row.encoded] for row in rows]).to(side.work.model.device)
        self.texts: Texts = of_forest(self.forest)
        self.outside = torch.cat(list(others))
        self.sizes = [len(each) for each in others]
        self.given = side.layer.forward(self.outside).detach()
        self.below = self._below()

    def run(self, shard: Shard) -> tuple[float, int]:
        """Steps until the loss has settled."""
        how, last, loss = self.side.how, torch.inf, torch.inf
        for step in range(how.steps):
            weight = shard.weight.clone().requires_grad_()
            total = self._loss(weight)
            last, loss = loss, float(total.detach())
            if not torch.isfinite(total):
                raise RunError(
                    "the loss of an edit is not finite: lower `rate`, or load the model in float32 (`--dtype float32`)"
                )
            if abs(loss - last) <= how.settled and loss <= how.stop:
                return loss, step
            (gradient,) = torch.autograd.grad(total, weight)
            shard.weight = stepped(shard, self.side.main, gradient, how)
        return loss, how.steps

    def _loss(self, weight: Tensor) -> Float[Tensor, ""]:
        side, model = self.side, self.side.work.model
        found: list[Tensor] = []

        def answer(read: Tensor, output: Tensor) -> Tensor:
            flat, given = read.flatten(0, -2), output.flatten(0, -2)
            other = through(side.layer, flat, weight)
            found.append(self.texts.mean(apart(other, given.detach(), side.activation)))
            return other.view_as(output)

        with ExitStack() as stack:
            if side.block > 0:
                stack.enter_context(resumed(model, side.block, [self.below] * side.block))
            stack.enter_context(edit_layer(model, side.path, answer))
            seen = forward(model, self.forest)
        away = apart(through(side.layer, self.outside, weight), self.given, side.activation)
        outside = torch.stack([each.mean() for each in away.split(self.sizes)])
        return -self._likelihood(seen.log_probs) + activation_loss(found[0], outside, side.margins)

    def _likelihood(self, log_probs: Float[Tensor, " tokens"]) -> Float[Tensor, ""]:
        """Mean over the edit's rows of the mean over their targets' tokens."""
        owner = self.forest.owner
        lengths = torch.bincount(owner, minlength=self.forest.branches)
        return (log_probs / lengths[owner]).sum() / self.forest.branches

    @torch.no_grad()
    def _below(self) -> Any:
        side, model = self.side, self.side.work.model
        if side.block == 0:
            return None
        with output_seen(model, side.block - 1) as outputs, stopping_after(model, side.block - 1):
            forward(model, self.forest)
        return outputs[0]


def activation_loss(
    inside: Float[Tensor, " in"], outside: Float[Tensor, " out"], margins: Margins
) -> Float[Tensor, ""]:
    """L_a; each part the mean over those rows (or pairs of them) that are not yet where they should be."""
    pairs = margins.gamma + outside[:, None] - inside[None]
    parts = (outside - margins.alpha, margins.beta - inside, pairs.flatten())
    return torch.stack([_wanting(part) for part in parts]).sum()


def _wanting(part: Float[Tensor, " rows"]) -> Float[Tensor, ""]:
    above = part > 0
    return torch.where(above, part, 0.0).sum() / above.sum().clamp(min=1)


def stepped(shard: Shard, main: Tensor, gradient: Tensor, how: Learning) -> Tensor:
    """W' after a step of SGD: within the mask only, and no entry further than `norm` from W."""
    moved = shard.weight - how.rate * (gradient + how.decay * shard.weight)
    moved = main + (moved - main).clamp(-how.norm, how.norm)
    return torch.where(shard.mask, moved, shard.weight)
