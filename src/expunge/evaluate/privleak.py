"""How far membership inference on an unlearned model is from that on a retrained one.

    PrivLeak = 100 (A_u - A_r) / A_r,   A = 1 - AUC        Shi et al. 2024 (MUSE), arXiv:2407.06460, §3
    s = clip( 1 - |AUC_u - AUC_r| / AUC_r, 0, 1 )          the unlearning depth score's repository

AUC is that of `membership.py` (near 1: the forget set is clearly more likely than the holdout set), in MUSE on the
scores of `min_k` with k = 0.4. A model that knows the forget set by heart has A near 0 and PrivLeak near -100: negative
is under-unlearned, positive over-unlearned, and MUSE aims at [-5, 5]. MUSE's code holds its own A of the retrained
models, `MUSE_RETRAINED`. Deviations: OpenUnlearning adds 1e-10 to A_r, and takes AUC = 1/2 where there is no retrained
model; here it has to be given.
"""

from typing import Literal

from expunge.errors import ConfigError

MUSE_RETRAINED = {"news": 1 - 0.4772, "books": 1 - 0.5393}  # AUC, in our direction


def privleak(
    auc_unlearned: float, auc_retrained: float | Literal["news", "books"], *, compat: Literal["none", "muse"] = "none"
) -> float:
    """In percent of the retrained model's A. With `compat="muse"` the retrained model may be that of a MUSE corpus.

    >>> privleak(1.0, 0.5), privleak(0.5, 0.5), privleak(0.25, 0.5)
    (-100.0, 0.0, 50.0)
    >>> round(privleak(0.999, "news", compat="muse"), 2)
    -99.79

    Raises ConfigError for numbers that are no AUC, and for a retrained model that leaves nothing to compare with.
    """
    if isinstance(auc_retrained, str):
        if compat != "muse" or auc_retrained not in MUSE_RETRAINED:
            raise ConfigError(f"{auc_retrained!r}: give the retrained model's AUC, or news or books with compat='muse'")
        auc_retrained = MUSE_RETRAINED[auc_retrained]
    _check(auc_unlearned, auc_retrained)
    if auc_retrained == 1:
        raise ConfigError("PrivLeak: the retrained model's AUC is 1, so the two sets are not of one kind")
    return 100 * (auc_retrained - auc_unlearned) / (1 - auc_retrained)


def privacy_score(auc_unlearned: float, auc_retrained: float) -> float:
    """1: as the retrained model; 0: as far away as the retrained model's AUC is from 0.

    >>> privacy_score(0.5, 0.5), privacy_score(1.0, 0.5), privacy_score(0.75, 0.5)
    (1.0, 0.0, 0.5)
    """
    _check(auc_unlearned, auc_retrained)
    if auc_retrained == 0:
        raise ConfigError("privacy score: the retrained model's AUC is 0, so the two sets are not of one kind")
    return min(max(1 - abs(auc_unlearned - auc_retrained) / auc_retrained, 0.0), 1.0)


def _check(*aucs: float) -> None:
    if bad := [each for each in aucs if not 0 <= each <= 1]:
        raise ConfigError(f"an AUC lies between 0 and 1, and this one is {bad[0]}")
