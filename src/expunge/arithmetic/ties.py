"""TIES: task vectors trimmed, their signs elected, what agrees averaged. Yadav et al. 2023, arXiv:2306.01708.

    trim            τ̂_t = the k % of τ_t that are largest in magnitude, the rest 0
    elect sign      γ = sgn(Σ_t τ̂_t)
    disjoint mean   τ_p = mean of τ̂_t^p over A^p = {t : sgn(τ̂_t^p) = γ^p}          θ_new = θ_pre + λτ

The paper trims each task vector as a whole, so that a tensor may lose all or nothing: `trim=vector`. Its limit is found
exactly, by counting bit patterns in two passes. `trim=tensor` takes k % of each tensor, as others' programs do.
Deviations: where magnitudes equal the limit all of them are kept; where the τ̂_t add up to exactly 0, no sign wins and
the weight stays (the authors' code gives it the sign that most weights have).
"""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.arithmetic import Place, Step, Survey, Vectors, operations, summed
from expunge.arithmetic.ranking import kth_largest, share_of
from expunge.objectives.options import Depth, Positive

Limits = dict[str, Float[Tensor, "models 1"]]


def limits_of(survey: Survey, options: Mapping[str, Any]) -> Limits:
    """The smallest magnitude that is kept of each task vector, by the tensor's name."""
    density = options["density"]
    if options["trim"] == "vector":
        whole = kth_largest(survey, survey.models, max(1, share_of(density, survey.weights())))
        return dict.fromkeys(survey.names, whole)

    def limit(name: str) -> Float[Tensor, "models 1"]:
        return kth_largest(lambda: survey(name), survey.models, max(1, share_of(density, survey.weights(name))))

    return {name: limit(name) for name in survey.names if survey.weights(name)}


@operations.add("ties", paper="arXiv:2306.01708", several=True, prepare=limits_of, reads=3)
def ties(
    vectors: Vectors,
    place: Place,
    prepared: Limits,
    *,
    density: Depth = 0.2,
    scale: Positive = 1.0,
    trim: Literal["vector", "tensor"] = "vector",
) -> Step:
    """λτ. `prepared` holds the limits by name."""
    trimmed = torch.where(vectors.abs() >= prepared[place.name], vectors, 0.0)
    sign = summed(trimmed).sign()
    agrees = (trimmed.sign() == sign) & (sign != 0)
    return scale * (summed(trimmed * agrees) / agrees.sum(0).clamp(min=1))
