"""Fisher ratio: weights that matter more for what must go than for what must stay. Foster et al. 2024 (selective
synaptic dampening), arXiv:2308.07707.

    s_i = F_f,i / F_r,i,     F = (1/n) Σ_examples (∇_{θ_i} NLL)²     the diagonal of the empirical Fisher information

Deviations: the paper dampens weights whose ratio exceeds a threshold, here the budget says how many; NLL is the mean
over an example's answer tokens; a unit's score is the ratio of its sums, F_r plus a millionth of its mean so that
weights which matter to neither are not divided by nothing.
"""

from jaxtyping import Float
from torch import Tensor

from expunge.localize import Scene, Which, localizers
from expunge.models.gradients import mean_square

EPSILON = 1e-6  # of the mean of F_r over all units


@localizers.add("fisher", paper="arXiv:2308.07707", aliases=("ssd",), looks_at=("forget", "retain"))
def fisher(scene: Scene) -> Float[Tensor, " units"]:
    """The ratio of the two sets' Fisher information, unit by unit."""

    def information(which: Which) -> Float[Tensor, " units"]:
        squares = mean_square(
            scene.model, scene.units.parameters, scene.encoded(which), bf16=scene.bf16, tick=scene.tick
        )
        return scene.units.sums(lambda name: squares[name])

    forget, retain = information("forget"), information("retain")
    return forget / (retain + EPSILON * retain.mean()).clamp_min(1e-30)
