"""Half-path attribution: what each edge does next to the clean run, and what it does next to the corrupted one.

    s_uv = Σ_t (x_u,t - x'_u,t) · (1/|A|) Σ_{α ∈ A} ∂M / ∂r_v,t |_α        as a share of M(clean) - M(corrupted)

The network reads embeddings at α of the way from the corrupted to the clean ones; r_v is the residual stream as v reads
it, x and x' are what u writes in the clean and the corrupted run. A is the half next to the clean run for noising,
next to the corrupted one for denoising, at the midpoints of equal stretches. Every edge of every reader comes from the
same passes: 2 · `points` forward and backward passes and a product of what is written with the gradients.

Along the whole path (EAP-IG, Hanna, Pezzelle and Belinkov 2024, arXiv:2403.17806) noising and denoising give one and
the same score, and no gate can be told from another: AND and OR both have ½, ½. By halves AND has 1, 0, OR 0, 1 and an
ADDER 1, 1. This is ours, not the published method; CLUE's is `pruning.py`. `whole` is the published score, without
gates. Deviations from EAP-IG: halves; logits where the answers part; signs are kept, so that what works against an
answer is no part of its circuit.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.circuits.scene import Batch, Direction, Scene
from expunge.circuits.wiring import Wires, run
from expunge.models.gradients import gradients_of

Scores = dict[Direction, Float[Tensor, "writers readers"]]
Keep = Callable[[str, Callable[[], Tensor]], Tensor]


def attribute(scene: Scene, *, points: int = 5, once: Keep = lambda _, compute: compute()) -> Scores:
    """The scores of all edges in both directions; 0 where there is no edge.

    `once` is asked for each batch's part by name, so that what a killed search had is not computed again.
    """
    total: Scores = {direction: torch.zeros(scene.graph.possible.shape) for direction in _HALVES}
    with gradients_of(scene.model, ()):  # none of the weights
        for number, batch in enumerate(scene.batches):
            for direction, (low, high) in _HALVES.items():
                alphas = [low + (high - low) * (i + 0.5) / points for i in range(points)]
                part = lambda batch=batch, alphas=alphas: _part(scene, batch, alphas)
                total[direction] += once(f"attribution, {direction}, batch {number}", part)
    possible, effect = scene.graph.possible, scene.effect("noising")
    return {direction: torch.where(possible, found / effect, 0.0) for direction, found in total.items()}


def whole(scores: Scores) -> Float[Tensor, "writers readers"]:
    """EAP-IG along the whole path: the mean of the halves."""
    return (scores["noising"] + scores["denoising"]) / 2


_HALVES: dict[Direction, tuple[float, float]] = {"noising": (0.5, 1.0), "denoising": (0.0, 0.5)}


def _part(scene: Scene, batch: Batch, alphas: list[float]) -> Float[Tensor, "writers readers"]:
    """What a batch adds to one half's scores."""
    clean, corrupted = (batch.runs[side] for side in ("clean", "corrupted"))
    change = (clean.written - corrupted.written).flatten(1).float()
    return (change @ _slopes(scene, batch, alphas).T).cpu()


def _slopes(scene: Scene, batch: Batch, alphas: list[float]) -> Float[Tensor, "readers numbers"]:
    """The mean over α of ∂M/∂r_v for every reader."""
    clean, corrupted = (batch.runs[side].written[0] for side in ("clean", "corrupted"))  # the embeddings
    mean: list[Tensor] = []
    for alpha in alphas:
        start = (corrupted + alpha * (clean - corrupted)).requires_grad_()
        wires = Wires(start=start, watch=True)
        logits = run(scene.model, scene.graph, batch.runs["clean"].forest, wires)
        value = batch.measure(logits, "clean").sum()
        reads = [each for reader in range(len(wires.reads)) for each in wires.reads[reader]]
        found = iter(torch.autograd.grad(value, reads))
        for reader in range(len(wires.reads)):
            slope = sum(next(found).flatten().float() for _ in wires.reads[reader])
            if alpha == alphas[0]:
                mean.append(slope / len(alphas))  # type: ignore[operator]
            else:
                mean[reader] += slope / len(alphas)
        scene.tick(len(batch))
    return torch.stack(mean)
