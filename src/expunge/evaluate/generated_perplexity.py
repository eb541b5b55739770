"""Perplexity of what a model says, under the model that it was made from.

    PPL = exp( -Σ_i Σ_t log π_original(y_it | x_i, y_i,<t) / Σ_i |y_i| ),   y_i what the model says now

It needs the scores of a second model, so it is no registered metric. A changed model whose texts the original finds
unlikely has lost its language, or says the one thing that the original would not; and texts that repeat themselves are
*likely*, so read it beside `repetition`. An empty text has no token and is left out. No deviations.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from expunge.errors import ConfigError
from expunge.evaluate.interval import SINGLY, Resampling
from expunge.evaluate.metric import Metric, exp_ratio_metric


def generated_perplexity(
    original_logprobs: Sequence[Float[np.ndarray, " _tokens"]], *, resampling: Resampling = SINGLY
) -> Metric:
    """From the original model's log-probability of each token of each generated text. In tokens; at least 1.

    >>> import numpy as np
    >>> round(generated_perplexity([np.log([0.5, 0.125]), np.array([])]).value, 9)
    4.0

    Raises ConfigError where every text is empty.
    """
    kept = [i for i, each in enumerate(original_logprobs) if len(each)]
    if not kept:
        raise ConfigError("perplexity of generations: every generated text is empty, so there is nothing to score")
    groups = resampling.groups and tuple(resampling.groups[i] for i in kept)
    nats = [-float(np.sum(original_logprobs[i])) for i in kept]
    lengths = [len(original_logprobs[i]) for i in kept]
    empty = len(original_logprobs) - len(kept)
    note = f"{empty} of {len(original_logprobs)} texts are empty and left out" if empty else ""
    drawn = Resampling(groups, resampling.seed, resampling.level, resampling.draws)
    return exp_ratio_metric(nats, lengths, "reference", drawn, unit="tokens", note=note)
