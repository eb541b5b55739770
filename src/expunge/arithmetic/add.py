"""Task vectors added: several skills in one model. Ilharco et al. 2022, arXiv:2212.04089.

    θ_new = θ_pre + λ Σ_t τ_t        τ_t = θ_t - θ_pre

With one model and λ below 1 it is the way from the base to it. No deviations.
"""

from expunge.arithmetic import Step, Vectors, operations, summed
from expunge.objectives.options import Positive


@operations.add("add", paper="arXiv:2212.04089", aliases=("task_arithmetic",), several=True)
def add(vectors: Vectors, *, scale: Positive = 1.0) -> Step:
    """λ Σ_t τ_t, in the order in which the models are given."""
    return scale * summed(vectors)
