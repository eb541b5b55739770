"""Aggregates of OpenUnlearning: memorization, privacy, utility, and all in one. Dorna et al. 2025, arXiv:2506.12618.

    Mem  = HM(1 - ES, 1 - EM, 1 - ParaProb, 1 - TR')      TR' = p_right / (p_right + p_wrong), our form "knowledge"
    Priv = HM(s_LOSS, s_zlib, s_MinK, s_MinK++),           s = clip(1 - |AUC - AUC_retrained| / AUC_retrained, 0, 1)
    Util = HM(MU / MU_original, Fluency / Fluency_original)
    Agg  = HM(Mem, Priv, Util)

HM is the harmonic mean. They take numbers of several sets and models, so they are no registered metrics. The fluency
there is the probability of a classifier that a text is no gibberish; any other of which more is better may be given,
and the numbers are then not theirs. Deviations: ratios are capped at 1 (a model cannot be credited for being better
than before); `cap=False` leaves them.

How they mislead: a model that never knew scores Mem 0.31 in the paper, so more than that is not better but
over-forgotten; and Priv decides the ranking (NPO falls from 0.69 to 0.15 by it).
"""

from collections.abc import Mapping

from expunge.errors import ConfigError
from expunge.evaluate.harmonic import harmonic_mean
from expunge.evaluate.privleak import privacy_score

ATTACKS = ("loss", "zlib", "min_k", "min_k_plus_plus")


def memorization(
    *, extraction_strength: float, exact_memorization: float, paraphrase_probability: float, truth_ratio: float
) -> float:
    """Mem, from means over the forget set; 1 where nothing is left.

    >>> round(memorization(
    ...     extraction_strength=0.5, exact_memorization=0.5, paraphrase_probability=0.5, truth_ratio=0.5
    ... ), 9)
    0.5
    """
    known = {
        "extraction_strength": extraction_strength, "exact_memorization": exact_memorization,
        "paraphrase_probability": paraphrase_probability, "truth_ratio": truth_ratio,
    }  # fmt: skip
    if wrong := [name for name, value in known.items() if not 0 <= value <= 1]:
        raise ConfigError(f"Mem takes numbers between 0 and 1; {wrong[0]!r} is {known[wrong[0]]}")
    return harmonic_mean({name: 1 - value for name, value in known.items()})


def privacy(aucs: Mapping[str, float], retrained: Mapping[str, float]) -> float:
    """Priv, from the AUC of each attack on the model and on the retrained one (`ATTACKS`)."""
    for whose, given in (("the model", aucs), ("the retrained model", retrained)):
        if missing := [name for name in ATTACKS if name not in given]:
            raise ConfigError(f"Priv needs the AUC of {missing[0]!r} of {whose}; it is made of {', '.join(ATTACKS)}")
    return harmonic_mean({name: privacy_score(aucs[name], retrained[name]) for name in ATTACKS})


def utility(
    model_utility: float, fluency: float, *, original_utility: float, original_fluency: float, cap: bool = True
) -> float:
    """Util, relative to the model before.

    >>> round(utility(0.3, 0.9, original_utility=0.6, original_fluency=0.9), 9)
    0.666666667
    """
    if not (original_utility > 0 and original_fluency > 0):
        raise ConfigError(f"Util is relative to a model that has some: got {original_utility} and {original_fluency}")
    ratios = {"utility": model_utility / original_utility, "fluency": fluency / original_fluency}
    return harmonic_mean({name: min(value, 1.0) if cap else value for name, value in ratios.items()})


def aggregate(memorization: float, privacy: float, utility: float) -> float:
    """Agg.

    >>> round(aggregate(0.32, 0.63, 1.0), 2)  # SimNPO's row of the paper
    0.53
    """
    return harmonic_mean({"Mem": memorization, "Priv": privacy, "Util": utility})
