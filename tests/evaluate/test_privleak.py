"""PrivLeak and the privacy score, with the levels that MUSE publishes."""

import pytest

from expunge.errors import ConfigError
from expunge.evaluate.privleak import MUSE_RETRAINED, privacy_score, privleak


def test_privleak_is_relative_to_the_retrained_model() -> None:
    assert privleak(0.6, 0.6) == 0.0
    assert privleak(1.0, 0.6) == pytest.approx(-100)  # knows all by heart
    assert privleak(0.2, 0.6) == pytest.approx(100)  # A is 0.8 in place of 0.4
    assert privleak(0.7, 0.6) == pytest.approx(100 * (0.3 - 0.4) / 0.4)


def test_levels_of_muse() -> None:
    """Its code holds A = 1 - AUC; its table gives -99.8 for the model that was trained on News."""
    assert {name: round(1 - auc, 4) for name, auc in MUSE_RETRAINED.items()} == {"news": 0.4772, "books": 0.5393}
    assert privleak(1 - 0.4772, "news", compat="muse") == pytest.approx(0)
    assert privleak(1 - 0.4772 * 0.002, "news", compat="muse") == pytest.approx(-99.8)
    with pytest.raises(ConfigError, match="compat='muse'"):
        privleak(0.5, "news")


@pytest.mark.parametrize(("unlearned", "score"), [(0.5, 1.0), (0.25, 0.5), (1.0, 0.0), (0.0, 0.0), (0.6, 0.8)])
def test_privacy_score(unlearned: float, score: float) -> None:
    assert privacy_score(unlearned, 0.5) == pytest.approx(score)


def test_what_is_no_auc() -> None:
    for bad in (lambda: privleak(1.2, 0.5), lambda: privleak(0.5, 1.0), lambda: privacy_score(0.5, 0.0)):
        with pytest.raises(ConfigError):
            bad()
