"""Pruning: what comes back when the smallest weights are set to zero. Han et al. 2015, arXiv:1506.02626.

    ŵ = w if |w| is among the largest (1 - share) of its matrix, else 0

Deviations: once, and without training afterwards.
"""

from jaxtyping import Float
from torch import Tensor

from expunge.attacks import Finding, Target, attacks
from expunge.attacks.after import measured
from expunge.attacks.matrices import rewritten
from expunge.config import Share


@attacks.add(
    "prune",
    family="compression",
    title="Pruning",
    reads=(
        "What the model knows after the smallest weights of every matrix were set to zero. A rise shows knowledge that "
        "many small weights had covered; a fall may be the pruning alone."
    ),
)
def prune(target: Target, *, share: Share = 0.2) -> list[Finding]:
    """`share` of each matrix is set to zero."""
    with rewritten(target.model, lambda weight: pruned(weight, share)):
        return measured(target)


def pruned(weight: Float[Tensor, "out in"], share: float) -> Float[Tensor, "out in"]:
    """The smallest ⌊share · n⌋ weights are zero; of equal ones the first go.

    >>> from torch import tensor
    >>> pruned(tensor([[3.0, -1.0], [0.5, -2.0]]), 0.5).tolist()
    [[3.0, 0.0], [0.0, -2.0]]
    """
    order = weight.abs().flatten().argsort(stable=True)
    flat = weight.flatten().clone()
    flat[order[: int(share * len(flat))]] = 0.0
    return flat.view_as(weight)
