"""Relearning on a part: fine-tune on half of what was forgotten, ask about the other half. Deeb and Roger 2024 (RTT),
arXiv:2410.08827.

    forget = T ∪ V, by whole groups;   train on T, test on V

Facts of T say nothing of those of V, so what rises on V was still in the weights, but for what a model that never knew
gains by learning to guess: its control under the same training. OpenUnlearning relearns for one epoch
(arXiv:2506.12618): `epochs=1`. Deviations: one split; the score is what the model knows afterwards, not the share of
the original's accuracy that comes back.
"""

from expunge.attacks import Finding, Target, attacks
from expunge.attacks.relearning import Budget, relearnt
from expunge.objectives.options import AtLeastOne, Positive
from expunge.train.selection import halves


def relearn_half(target: Target, budget: Budget) -> list[Finding]:
    """Train on one half of the groups, measure the other."""
    taught, _ = halves(target.examples, target.seed)
    known = {example.id for example in taught}
    rows = [i for i, example in enumerate(target.examples) if example.id not in known]
    return relearnt(target, taught, budget, rows=rows)


@attacks.add(
    "relearn",
    family="relearning",
    needs=("groups", "trainable"),
    title="Relearning on half of the facts",
    reads=(
        "What the model knows of one half of the forgotten facts after it was fine-tuned on the other half. A rise "
        "above the never-knew control is knowledge that was hidden, not gone. It holds for this budget; a longer "
        "training may find more. If facts of one half follow from the other, both rise."
    ),
)
def relearn(target: Target, *, rate: Positive | None = None, epochs: AtLeastOne = 5) -> list[Finding]:
    """All weights are trained; `rate` None is 0.04 / width."""
    return relearn_half(target, Budget(rate, epochs))
