"""OpenUnlearning's aggregates: by hand, and the rows of its paper."""

import pytest

from expunge.errors import ConfigError
from expunge.evaluate.aggregates import ATTACKS, aggregate, memorization, privacy, utility


@pytest.mark.parametrize(
    ("mem", "priv", "util", "agg"),
    [(0.31, 1.00, 0.99, 0.58), (0.32, 0.63, 1.00, 0.53), (0.47, 0.50, 0.61, 0.52), (0.27, 0.48, 0.78, 0.42),
     (0.63, 0.06, 0.95, 0.15), (0.52, 0.06, 0.99, 0.15), (0.97, 0.003, 0.79, 0.009)],
)  # fmt: skip
def test_rows_of_the_paper(mem: float, priv: float, util: float, agg: float) -> None:
    """TOFU forget10, Llama-3.2-1B: retain, SimNPO, RMU, UNDIAL, AltPO, NPO, GradDiff, as printed."""
    assert aggregate(mem, priv, util) == pytest.approx(agg, abs=0.011)


def test_memorization_of_the_depth_scores_repository() -> None:
    """Its retrained model: 1 - ES .941, 1 - EM .410, 1 - ParaProb .945, 1 - TR .433 give Mem .582."""
    known = {
        "extraction_strength": 0.059, "exact_memorization": 0.59, "paraphrase_probability": 0.055, "truth_ratio": 0.567,
    }  # fmt: skip
    assert memorization(**known) == pytest.approx(0.582, abs=0.0006)
    assert memorization(**{**known, "exact_memorization": 1.0}) == 0.0
    with pytest.raises(ConfigError, match=r"'truth_ratio' is 1\.2"):
        memorization(**{**known, "truth_ratio": 1.2})


def test_privacy_needs_all_four_attacks() -> None:
    same = dict.fromkeys(ATTACKS, 0.4)
    assert privacy(same, same) == 1.0
    assert privacy({**same, "zlib": 0.8}, same) == 0.0
    with pytest.raises(ConfigError, match="the AUC of 'zlib' of the retrained model"):
        privacy(same, {name: 0.4 for name in ATTACKS if name != "zlib"})


def test_utility_is_relative_and_capped() -> None:
    start = {"original_utility": 0.6, "original_fluency": 0.8}
    assert utility(0.6, 0.8, **start) == 1.0 == utility(0.9, 0.8, **start)
    assert utility(1.2, 0.8, cap=False, **start) == pytest.approx(4 / 3)
    assert utility(0.0, 0.8, **start) == 0.0
    with pytest.raises(ConfigError):
        utility(0.5, 0.5, original_utility=0.0, original_fluency=1.0)
