"""Benign fine-tuning: train on what must stay, ask about what was forgotten. Łucki et al. 2024, arXiv:2409.18025.

Nobody who does it need mean harm: it is what a user of the model does next. It teaches nothing that was forgotten, so
whatever comes back was there. Deviations: the data are of the retain set, not of a corpus.
"""

from expunge.attacks import Finding, Target, attacks
from expunge.attacks.relearning import Budget, relearnt
from expunge.data.sampling import sample_of
from expunge.errors import ConfigError
from expunge.objectives.options import AtLeastOne, Count, Positive


@attacks.add(
    "relearn_unrelated",
    family="relearning",
    needs=("retain", "trainable"),
    title="Fine-tuning on other data",
    reads=(
        "What the model knows of the forgotten facts after it was fine-tuned on facts that stayed. Whatever comes back "
        "was never gone, since none of it was taught. Nothing coming back proves little: the training was short."
    ),
)
def relearn_unrelated(
    target: Target, *, rate: Positive | None = None, epochs: AtLeastOne = 5, steps: Count = 0
) -> list[Finding]:
    """On as many examples of the retain set as are attacked, of other groups; `rate` None is 0.04 / width.

    `steps` above 0 stand in place of the epochs.
    """
    attacked = {example.group or example.id for example in target.examples}
    others = [example for example in target.sets.retain if (example.group or example.id) not in attacked]
    if not others:
        raise ConfigError(
            "the retain set holds the groups that are attacked and no other: nothing unrelated to train on"
        )
    return relearnt(target, sample_of(others, len(target.examples), target.seed), Budget(rate, epochs, steps=steps))
