"""Greedy answers that scoring has shown.

A hit says that the token which is scored is the likeliest one there, so the model would say it. An answer that is hit
from its first token to its end, or for as long as an answer may be, need not be generated: a model that knows a set
answers it for nothing. Near a tie scoring and generating may differ, as batches do.
"""

from collections.abc import Collection, Sequence

import numpy as np

from expunge.data.convention import Encoded


def shown(
    scored: Encoded, hits: np.ndarray, prompt: Sequence[int], ends: Collection[int], longest: int
) -> list[int] | None:
    """The greedy answer to `prompt` without its end, at most `longest` tokens; None where scoring does not show it.

    `prompt` is that of what was scored, or longer. Where attention does not see a token, generating and scoring count
    positions differently, and nothing is shown.

    >>> shown(Encoded((5, 6, 7, 8, 2), 2, ""), np.array([True, True, True]), [5, 6], {2}, 9)
    [7, 8]
    """
    skipped = len(prompt) - scored.start
    if scored.hidden is not None or skipped < 0 or list(scored.ids[: len(prompt)]) != list(prompt):
        return None
    behind = list(scored.ids[len(prompt) :])
    stop = next((i for i, token in enumerate(behind) if token in ends), len(behind))
    needed = min(stop + 1, longest)  # tokens that must be hit: up to the end, or as many as are asked for
    if needed > len(behind) or not hits[skipped : skipped + needed].all():
        return None
    return behind[: min(stop, longest)]
