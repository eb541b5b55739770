"""leak@k: the expected largest leak among k answers, from n sampled ones. arXiv:2511.04934.

    graded   Σ_{i=k..n} C(i-1, k-1) / C(n, k) · s_(i)        s_(1) ≤ … ≤ s_(n) the leak of each answer
    binary   1 - C(n-c, k) / C(n, k)                          c of the n answers leak

Both are the mean over all subsets of k answers of the largest leak in it, hence unbiased; the binary form is the graded
one of zeros and ones (and Chen et al. 2021's pass@k, arXiv:2107.03374). leak@1 is the mean, leak@n the largest. Weights
are built as running products of ratios, so that no binomial is ever formed. No deviations.

How it misleads: it grows with k for every model, also one that never knew and guesses: compare with that model at the
same k, temperature and n.
"""

from collections.abc import Sequence
from math import fsum, isfinite

from expunge.errors import ConfigError


def leak_at_k(scores: Sequence[float], k: int) -> float:
    """From the leak of each of n answers to one question.

    >>> round(leak_at_k([0.0, 1.0, 0.5], 2), 9)  # the pairs leak 1, 0.5 and 1
    0.833333333

    Raises ConfigError for k outside 1 … n, or a leak that is not a number.
    """
    _check(len(scores), k)
    if wrong := [score for score in scores if not isfinite(score)]:
        raise ConfigError(f"leak@k: a leak of {wrong[0]} is not a number")
    ordered, weight, parts = sorted(scores), k / len(scores), []
    for i in range(len(ordered), k - 1, -1):  # weight = C(i-1, k-1) / C(n, k): of i-1 it is (i-k)/(i-1) of that of i
        parts.append(weight * ordered[i - 1])
        weight *= (i - k) / (i - 1) if i > 1 else 0.0
    return fsum(parts)


def leak_at_k_binary(leaking: int, n: int, k: int) -> float:
    """From how many of n answers leak.

    >>> round(leak_at_k_binary(1, 3, 2), 9)  # two of the three pairs hold it
    0.666666667

    Raises ConfigError for k outside 1 … n, or more leaking answers than there are.
    """
    _check(n, k)
    if not 0 <= leaking <= n:
        raise ConfigError(f"leak@k: {leaking} of {n} answers cannot leak")
    none = 1.0
    for i in range(k):  # C(n-c, k) / C(n, k) as a product: no draw of the k meets a leaking answer
        none *= max(n - leaking - i, 0) / (n - i)
    return 1 - none


def _check(n: int, k: int) -> None:
    if not 1 <= k <= n:
        raise ConfigError(f"leak@k needs k between 1 and the {n} answers at hand, not {k}")
