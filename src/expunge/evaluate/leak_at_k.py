"""leak@k: what leaks in the worst of k samples. Reisizadeh et al. 2025, arXiv:2511.04934.

    leak@k = Σ_{i=k}^{n} C(i-1, k-1) / C(n, k) · s_(i)        s_(1) ≤ … ≤ s_(n) the scores of n samples

The expected maximum over k of the n samples, drawn without putting back: unbiased for k fresh ones. Of scores that
are 0 or 1, c of them 1, it is 1 - C(n-c, k) / C(n, k). At k = n it is the plain maximum, which rests on one draw. No
deviations.
"""

from fractions import Fraction
from math import comb

import numpy as np
from jaxtyping import Float

from expunge.errors import ConfigError


def leak_at_k(scores: Float[np.ndarray, "examples samples"], k: int) -> Float[np.ndarray, " examples"]:
    """Of each example, the expected best score among k samples.

    >>> import numpy as np
    >>> leak_at_k(np.array([[1.0, 0.0, 0.0, 0.0]]), 2)
    array([0.5])
    """
    n = scores.shape[1]
    if not 1 <= k <= n:
        raise ConfigError(f"leak@{k} needs at least one and at most as many samples as there are, which is {n}")
    whole = comb(n, k)
    # fractions, since the integers exceed a float's range
    weights = np.array([float(Fraction(comb(i - 1, k - 1), whole)) for i in range(1, n + 1)])
    return np.minimum(np.sort(scores, axis=1) @ weights, scores.max(axis=1))  # rounding must not pass the best
