"""Magnitude: the largest weights. Han et al. 2015, arXiv:1506.02626 (pruning keeps them).

    s_u = Σ_{i in u} |θ_i|

It looks at no example, so it is a second control: what it finds is the model's, not the knowledge's.
Deviations: the paper prunes single weights; a unit's score is the sum over its weights.
"""

from jaxtyping import Float
from torch import Tensor

from expunge.localize import Scene, localizers


@localizers.add("magnitude", paper="arXiv:1506.02626", aliases=("weight_magnitude",), looks_at=())
def magnitude(scene: Scene) -> Float[Tensor, " units"]:
    """The sum of absolute weights."""
    weights = scene.weights()
    return scene.units.sums(lambda name: weights[name].abs())
