"""Greedy answers as far as scoring has shown them.

A hit says that the token which is scored is the likeliest one there, so the model would say it: what is hit from the
first token on is how its greedy answer begins, and an answer that is hit up to its end need not be generated. A model
that knows a set answers it for nothing.
"""

from collections.abc import Sequence

import numpy as np

from expunge.data.convention import Encoded


def shown(scored: Encoded, hits: np.ndarray, prompt: Sequence[int]) -> list[int]:
    """With what the greedy answer to `prompt` begins: the hits behind it. Nothing where other tokens were scored.

    `prompt` is that of what was scored, or longer. Where attention does not see a token, generating and scoring count
    positions differently, and nothing is shown.

    >>> shown(Encoded((5, 6, 7, 8, 9), 2, ""), np.array([True, True, False]), [5, 6])
    [7, 8]
    """
    skipped = len(prompt) - scored.start
    if scored.hidden is not None or skipped < 0 or list(scored.ids[: len(prompt)]) != list(prompt):
        return []
    behind = hits[skipped:]
    run = len(behind) if behind.all() else int(behind.argmin())
    return list(scored.ids[len(prompt) : len(prompt) + run])
