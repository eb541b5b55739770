"""Examples leave the batch once they are as unlikely as to a model that never knew them, and return if they resurface.

    leaves    when   (1/|y|) log π(y|x) <= l_i                l_i: the never-known level (`levels.py`)
    returns   when   (1/|y|) log π(y|x) >  l_i + margin       so that none goes in and out at every look

All forget examples are looked at before the first step and after every `every` steps. Who is away is not drawn: the
step's mean is still over all that the plan drew, so that nobody's share grows when another leaves. After Krishnan et
al. 2025 (arXiv:2504.05058), who ask for methods that look at frequency: rare facts are gone early, and unlearning them
further over-forgets them. The rule is ours.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from expunge.config import LeaveConfig


@dataclass(frozen=True)
class Turn:
    """One look at which somebody left or came back: places in the forget set."""

    step: int
    left: tuple[int, ...] = ()
    returned: tuple[int, ...] = ()


@dataclass(frozen=True)
class Leaving:
    """The rule with what it reads."""

    levels: Float[Tensor, " forget"]  # never-known mean log-probability per answer token
    look: Callable[[], Float[Tensor, " forget"]]  # the same of the model as it is
    config: LeaveConfig

    def due(self, step: int) -> bool:
        """Is it time to look, after so many steps?"""
        return step % self.config.every == 0

    def turn(self, step: int, away: Collection[int]) -> Turn:
        """Who leaves and who returns now."""
        above = (self.look().double().cpu() - self.levels.double().cpu()).tolist()
        left = tuple(i for i, gap in enumerate(above) if gap <= 0 and i not in away)
        returned = tuple(i for i in sorted(away) if above[i] > self.config.margin)
        return Turn(step, left, returned)


def said(turns: Sequence[Turn], away: Collection[int], size: int) -> str:
    """One sentence for the record.

    >>> said([Turn(0, (3,)), Turn(20, (1, 2), (3,))], [1, 2], 5)
    'examples left the batch at never-known 3 times and came back 1 times; at the end 2 of 5 were away'
    """
    left, returned = sum(len(turn.left) for turn in turns), sum(len(turn.returned) for turn in turns)
    return (
        f"examples left the batch at never-known {left} times and came back {returned} times; at the end {len(away)} "
        f"of {size} were away"
    )
