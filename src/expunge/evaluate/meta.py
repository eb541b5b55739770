"""Meta-evaluation: is a metric to be trusted? Dorna et al. 2025 (OpenUnlearning), arXiv:2506.12618.

    Faith   AUC of the metric between models trained with the knowledge and models trained without
    Q       min(m_before / m_after, 1)                    m after quantization, of a metric that rises with knowledge
    R       min(Δ_retrained / Δ_unlearned, 1)             Δ = m_after - m_before of relearning
    Rob     HM(R, Q),   Overall = HM(Faith, Rob)          HM the harmonic mean

One-sided as above: only knowledge that *comes back* counts against a metric, more than in the retrained model. Some
write Q with the ratio turned round, min(m_after / m_before, 1), which counts a *fall*: `rising=False`. So that either
change counts, the symmetric forms (repository of the unlearning depth score) are

    Q = 1 - |m_before - m_after| / (|m_before| + |m_after|),   R = 1 - |Δ_u - Δ_r| / (|Δ_u| + |Δ_r|)

(1 where both are 0). The same metric can pass one form and fail the other: the truth ratio does. Deviations: a ratio
below 0 is 0, one with nothing below it is 1; of a metric that falls with knowledge `rising=False` is the one-sided
form.
"""

from collections.abc import Sequence

from expunge.errors import ConfigError
from expunge.evaluate.harmonic import harmonic_mean


def faithfulness(knowing: Sequence[float], ignorant: Sequence[float]) -> float:
    """The chance that a model which knows has the higher value, ties counting half.

    >>> faithfulness([0.9, 0.5], [0.1, 0.5])
    0.875

    Raises ConfigError for no models on a side.
    """
    if not knowing or not ignorant:
        raise ConfigError(f"faithfulness needs models of both kinds, got {len(knowing)} and {len(ignorant)}")
    from scipy.stats import rankdata  # takes half a second to import

    ranks = rankdata([*knowing, *ignorant])
    wins = float(ranks[: len(knowing)].sum()) - len(knowing) * (len(knowing) + 1) / 2
    return wins / (len(knowing) * len(ignorant))


def quantization(before: float, after: float, *, rising: bool = True) -> float:
    """Q, one-sided: 1 where quantization brings nothing back.

    >>> quantization(0.2, 0.4), quantization(0.4, 0.2), quantization(0.4, 0.2, rising=False)
    (0.5, 1.0, 0.5)
    """
    return _ratio(before, after) if rising else _ratio(after, before)


def quantization_symmetric(before: float, after: float) -> float:
    """Q where a change in either direction counts.

    >>> round(quantization_symmetric(0.2, 0.4), 9) == round(quantization_symmetric(0.4, 0.2), 9)
    True
    """
    return _nearness(before, after)


def relearning(retrained: tuple[float, float], unlearned: tuple[float, float], *, rising: bool = True) -> float:
    """R, one-sided, from the metric (before, after) of relearning on each model.

    >>> relearning((0.1, 0.2), (0.1, 0.5))  # the unlearned model gains four times as much
    0.25
    """
    sign = 1 if rising else -1
    gains = [sign * (after - before) for before, after in (retrained, unlearned)]
    return _ratio(max(gains[0], 0.0), max(gains[1], 0.0))


def relearning_symmetric(retrained: tuple[float, float], unlearned: tuple[float, float]) -> float:
    """R where gaining less than the retrained model counts as well; gains of opposite signs give 0."""
    return _nearness(*(after - before for before, after in (retrained, unlearned)))


def robustness(relearning: float, quantization: float) -> float:
    """Rob."""
    return harmonic_mean({"R": relearning, "Q": quantization})


def overall(faithfulness: float, robustness: float) -> float:
    """Overall.

    >>> round(overall(0.92, 0.79), 2)  # extraction strength in the paper
    0.85
    """
    return harmonic_mean({"Faith": faithfulness, "Rob": robustness})


def _ratio(small: float, large: float) -> float:
    if large <= 0:
        return 1.0
    return min(max(small / large, 0.0), 1.0)


def _nearness(one: float, other: float) -> float:
    size = abs(one) + abs(other)
    return 1 - abs(one - other) / size if size else 1.0
