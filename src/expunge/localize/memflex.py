"""MemFlex: large gradients of what must go, in other directions than those of what must stay. Tian et al. 2024,
arXiv:2407.01920.

    candidates: cos(g_f, g_r) < μ,    ranked by mean|g_f|          g: gradients of the unit's weights

Then, if the candidates are fewer than the budget, the others by mean|g_f| (a note says so).
Deviations: the paper scores LoRA's matrices with two thresholds (magnitude above σ), which fix no budget; scores of
value vectors, and ranking instead of σ, are a reconstruction of how Lee et al. 2025, arXiv:2505.16252,
"reformulated" it. The authors' code takes gradients towards random answers, three an example: `copies` does that (with
answers of other examples of the set); by default the true answers are taken.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from expunge.data.convention import Encoded
from expunge.data.example import Example
from expunge.errors import ConfigError
from expunge.localize import ALL, Scene, Which, localizers
from expunge.models.gradients import mean_gradient
from expunge.objectives.options import Count, Finite


@localizers.add(
    "memflex",
    paper="arXiv:2407.01920",
    looks_at=("forget", "retain"),
    granularities=tuple(each for each in ALL if each != "weights"),  # the cosine of two numbers is their sign
    rounds=lambda scene, *, copies, **_: copies or 1,
)
def memflex(scene: Scene, *, mu: Finite = 0.92, copies: Count = 0) -> Float[Tensor, " units"]:
    """`mu` is the threshold of the cosine; `copies` random answers an example (0: its own)."""
    forget, retain = _gradient(scene, "forget", copies), _gradient(scene, "retain", copies)
    sums = scene.units.sums
    product = sums(lambda name: forget[name] * retain[name])
    norms = sums(lambda name: forget[name].square()).sqrt() * sums(lambda name: retain[name].square()).sqrt()
    size = sums(lambda name: forget[name].abs()).double() / scene.units.sizes()
    apart = product < mu * norms  # without a division: a unit without a gradient is no candidate
    scene.notes.append(f"memflex: {int(apart.sum())} of {len(apart)} units have cos(g_f, g_r) < {mu:g}")
    return torch.where(apart, size, size - 2 * size.max())


def _gradient(scene: Scene, which: Which, copies: int) -> dict[str, Tensor]:
    if not copies:
        return scene.gradient(which)
    examples = scene.forget if which == "forget" else scene.retain
    return mean_gradient(
        scene.model, scene.units.parameters, _misanswered(scene, examples, copies),
        budget=scene.budget, bf16=scene.bf16, tick=scene.tick,
    )  # fmt: skip


def _misanswered(scene: Scene, examples: Sequence[Example], copies: int) -> list[Encoded]:
    """Each question with the answers of others, drawn from the set."""
    asked = [each for each in examples if each.prompt is not None]
    if len({each.answer for each in asked}) < 2 or len(asked) < len(examples):
        raise ConfigError("memflex: `copies` needs questions with at least two different answers in each set")
    answers = sorted({each.answer for each in asked})
    wanted = []
    for example in asked:  # by its id and not by its place: the order of a set has no say
        others = [answer for answer in answers if answer != example.answer]
        drawn = np.random.default_rng([scene.seed, *example.id.encode()]).integers(len(others), size=copies)
        wanted.extend((example, None, others[i]) for i in drawn.tolist())
    return scene.encoder.encode_many(wanted)
