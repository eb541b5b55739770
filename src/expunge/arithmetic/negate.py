"""A task vector negated: forgetting by going the other way. Ilharco et al. 2022, arXiv:2212.04089.

    τ = θ_ft - θ_pre        θ_new = θ_pre - λτ

θ_ft is the model that was trained on what must go. No deviations.
"""

from expunge.arithmetic import Step, Vectors, operations
from expunge.objectives.options import Positive


@operations.add("negate", paper="arXiv:2212.04089")
def negate(vectors: Vectors, *, scale: Positive = 1.0) -> Step:
    """-λτ."""
    return -scale * vectors[0]
