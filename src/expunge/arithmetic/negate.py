"""A task vector negated: forgetting by going the other way. Ilharco et al. 2022, arXiv:2212.04089.

    τ = θ_ft - θ_pre        θ_new = θ_pre - λτ

θ_ft is the model that was trained on what must go. No deviations.
"""

from typing import Annotated

from pydantic import Field

from expunge.arithmetic import Step, Vectors, operations


@operations.add("negate", paper="arXiv:2212.04089")
def negate(vectors: Vectors, *, scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0) -> Step:
    """-λτ."""
    return -scale * vectors[0]
