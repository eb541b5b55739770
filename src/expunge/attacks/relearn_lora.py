"""Relearning on a part with adapters: as `relearn`, training low-rank factors only. Hu et al. 2021, arXiv:2106.09685;
the attack is that of Deeb and Roger 2024 (RTT), arXiv:2410.08827.

Deviations: as `relearn`.
"""

from expunge.attacks import Finding, Target, attacks
from expunge.attacks.relearn import relearn_half
from expunge.attacks.relearning import Budget
from expunge.objectives.options import AtLeastOne, Positive


@attacks.add(
    "relearn_lora",
    family="relearning",
    needs=("groups", "trainable"),
    title="Relearning on half of the facts, with LoRA",
    reads=(
        "As relearning on half of the facts, but a small adapter is trained instead of all weights: what an attacker "
        "with little memory can do. A change of low rank may be undone by one, and only by one."
    ),
)
def relearn_lora(
    target: Target, *, rank: AtLeastOne = 8, rate: Positive | None = None, epochs: AtLeastOne = 5
) -> list[Finding]:
    """Adapters on every linear layer of the blocks; `rate` None is 0.4 / width."""
    return relearn_half(target, Budget(rate, epochs, rank))
