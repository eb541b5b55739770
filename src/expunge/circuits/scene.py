"""The scene of a search: a model, its graph, and contrasts that it tells apart, run once in both versions.

    M = z_right - z_wrong        the logits where the answers part; in the corrupted run the other way round

so that M is high in a run of its own and low in the other. A logit does not saturate, as a probability near 1 does:
next to a run that is sure of its answer the gradient of log p vanishes, and every gate would look like an OR.

    noising     base: the clean run,      patched with the corrupted one   which edges have to stay
    denoising   base: the corrupted run,  patched with the clean one       which edges bring the answer back

Both are one and the same computation with the runs exchanged.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from expunge.circuits.contrast import Contrast, Side
from expunge.circuits.graph import Graph
from expunge.circuits.wiring import Wires, run, written_by
from expunge.data.forest import Forest, pack, plant
from expunge.errors import ConfigError
from expunge.models.gradients import gradients_of
from expunge.models.model import Model

Direction = Literal["noising", "denoising"]
BASE: dict[Direction, tuple[Side, Side]] = {"noising": ("clean", "corrupted"), "denoising": ("corrupted", "clean")}
DIRECTIONS: tuple[Direction, ...] = ("noising", "denoising")
Tick = Callable[[int], object]  # how many contrasts a pass has gone through


@dataclass(frozen=True)
class Run:
    """One version of a batch in a plain pass."""

    forest: Forest
    written: Float[Tensor, "writers nodes width"]
    logits: Float[Tensor, "pairs vocab"]
    blocks: list[Any]  # what each block gives


@dataclass(frozen=True)
class Batch:
    """Contrasts that go through the network together."""

    runs: dict[Side, Run]
    right: Int[Tensor, " pairs"]
    wrong: Int[Tensor, " pairs"]

    def __len__(self) -> int:
        return len(self.right)

    def measure(self, logits: Float[Tensor, "pairs vocab"], side: Side) -> Float[Tensor, " pairs"]:
        """M, high in a run of `side`."""
        rows = torch.arange(len(self.right), device=logits.device)
        difference = logits[rows, self.right] - logits[rows, self.wrong]
        return difference if side == "clean" else -difference


@dataclass(frozen=True)
class Scene:
    """What a search looks at. The model is left as it was."""

    model: Model
    graph: Graph
    batches: Sequence[Batch]
    seed: int = 0
    tick: Tick = lambda _: None

    @property
    def pairs(self) -> int:
        """How many contrasts there are."""
        return sum(map(len, self.batches))

    def effect(self, direction: Direction) -> float:
        """Σ M(base) - M(other): what there is to lose, or to bring back."""
        base, other = BASE[direction]
        return sum(
            float((each.measure(each.runs[base].logits, base) - each.measure(each.runs[other].logits, base)).sum())
            for each in self.batches
        )

    def patched(
        self, direction: Direction, keep: Float[Tensor, "writers readers"]
    ) -> Iterator[tuple[Batch, Float[Tensor, "pairs vocab"]]]:
        """The logits of every batch when the base's edges are kept by `keep` and else patched."""
        base, other = BASE[direction]
        for batch in self.batches:
            wires = Wires(keep.to(self.model.device), batch.runs[other].written)
            yield batch, run(self.model, self.graph, batch.runs[base].forest, wires)
            self.tick(len(batch))

    @torch.no_grad()
    def recovered(self, direction: Direction, keep: Float[Tensor, "writers readers"]) -> tuple[float, float]:
        """How much of the effect is left with these edges only, and the mean KL(base ‖ patched) of what is said."""
        base, other = BASE[direction]
        left, divergence = 0.0, 0.0
        for batch, logits in self.patched(direction, keep):
            start = batch.measure(batch.runs[other].logits, base)
            left += float((batch.measure(logits, base) - start).sum())
            divergence += float(divergences(batch.runs[base].logits, logits).sum())
        return left / self.effect(direction), divergence / self.pairs


def divergences(base: Float[Tensor, "pairs vocab"], logits: Float[Tensor, "pairs vocab"]) -> Float[Tensor, " pairs"]:
    """KL(base ‖ logits) of each pair, in nats."""
    ours, theirs = base.log_softmax(-1), logits.log_softmax(-1)
    return (ours.exp() * (ours - theirs)).sum(-1)


def scene_of(
    model: Model,
    graph: Graph,
    pairs: Sequence[Contrast],
    *,
    tokens: int = 512,
    seed: int = 0,
    tick: Tick = lambda _: None,
) -> Scene:
    """Run both versions of every contrast, and leave out those that the model does not tell apart.

    `tokens` of a pass: memory, not results. Raises ConfigError when the model tells none apart.
    """
    batches = []
    with gradients_of(model, ()):  # none of the weights
        for numbers in pack([len(each.clean) for each in pairs], tokens):
            told = [pairs[i] for i in numbers]
            batch = _batch(model, graph, told)
            tick(len(told))
            apart = [each for each, known in zip(told, _told(batch)) if known]
            if apart:
                batches.append(batch if len(apart) == len(told) else _batch(model, graph, apart))
    if not batches:
        raise ConfigError(
            f"the model tells none of {len(pairs)} contrasts apart: it does not know the answers, so no part of it can "
            "be found that carries them"
        )
    return Scene(model, graph, batches, seed, tick)


def ticking(scene: Scene, tick: Tick) -> Scene:
    """The same scene with another listener."""
    return replace(scene, tick=tick)


def _batch(model: Model, graph: Graph, pairs: Sequence[Contrast]) -> Batch:
    runs: dict[Side, Run] = {}
    for side in ("clean", "corrupted"):
        forest = plant([[each.encoded(side)] for each in pairs]).to(model.device)
        runs[side] = Run(forest, *written_by(model, graph, forest))
    tokens = [torch.tensor(some, device=model.device) for some in zip(*((each.right, each.wrong) for each in pairs))]
    return Batch(runs, *tokens)


def _told(batch: Batch) -> list[bool]:
    clean, corrupted = (batch.measure(batch.runs[side].logits, "clean") for side in ("clean", "corrupted"))
    return (clean > corrupted).tolist()
