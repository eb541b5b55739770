"""What went with the forget set although nobody asked: the probe of related knowledge.

    drop_k = (log P_before(y|x) - log P_after(y|x)) / |y|        of each example that is not in the forget set

beside R(k, forget set) on the model before (`relatedness.py`): UIPE (Wang et al. 2025, arXiv:2503.04693) holds that
the more related go further. A fact **went** if its answer was said before (every token the likeliest) and is not
after, and **stayed** if it is said by both. ρ is Spearman's rank correlation of drop and R; its interval is the
percentile bootstrap over groups.

How it misleads: a drop is no loss while the answer is still the likeliest, and ρ says nothing of its size. A model that
is broken loses everything, related or not: look at what stayed. The paper asks this of a made diagnostic set with two
kinds of knowledge; any sets here are a reconstruction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from expunge.evaluate.observations import Observed

NEEDS = ("answer_logprobs", "hits")
DRAWS = 2000
FEWEST = 5  # groups: draws of fewer say nothing


@dataclass(frozen=True, slots=True)
class Known:
    """What a model knows of one example."""

    log_prob: float  # an answer token, those that close the answer left out
    said: bool  # every token of the answer is the likeliest


def known(seen: Observed) -> list[Known]:
    """From what was observed of a set (`NEEDS`)."""
    answers = [each.within("without_end") for each in seen.right]
    return [Known(float(each.log_probs.mean()), bool(each.hits.all())) for each in answers]


def rank_correlation(
    one: Sequence[float], two: Sequence[float], groups: Sequence[object], seed: int = 0, level: float = 0.95
) -> tuple[float, tuple[float, float] | None]:
    """Spearman's ρ and its interval, whole groups drawn. NaN where one side is constant; None with fewer than 5 groups.

    >>> rank_correlation([1, 2, 3, 4], [10, 20, 40, 30], "abcd")[0]
    0.8
    """
    x, y = np.asarray(one, dtype=float), np.asarray(two, dtype=float)
    rho = _spearman(x, y)
    names = list(dict.fromkeys(groups))
    if len(names) < FEWEST or np.isnan(rho):
        return rho, None
    members = [np.flatnonzero([group == name for group in groups]) for name in names]
    rng = np.random.default_rng([seed, 7])
    drawn = []
    for _ in range(DRAWS):
        rows = np.concatenate([members[i] for i in rng.integers(len(names), size=len(names))])
        drawn.append(_spearman(x[rows], y[rows]))
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return rho, (float(low), float(high))


def _spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's correlation of ranks, ties sharing theirs."""
    from scipy.stats import rankdata  # takes half a second to import

    left, right = (rankdata(values) - (len(values) + 1) / 2 for values in (x, y))
    scale = float(np.sqrt((left @ left) * (right @ right)))
    return round(float(left @ right) / scale, 12) if scale else float("nan")
