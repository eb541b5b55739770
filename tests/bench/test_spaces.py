"""Search spaces: every method has one, the trials are the same for all and reproducible."""

import sys

import pytest

from expunge.bench.spaces import STARTUP, STEEPER, check_extra, settings_of, space_of, trial
from expunge.config import SearchConfig, TrainConfig, settings
from expunge.edit import editors
from expunge.errors import MissingExtraError, UnknownNameError
from expunge.objectives import objectives
from expunge.runs.unlearn import check_method

pytest.importorskip("optuna", reason="the extra `search` is not installed")
SEARCH = SearchConfig(learning_rate=(1e-4, 1e-2), retain_weight=(0.5, 5.0))


@pytest.mark.parametrize("method", [*objectives, *editors])
def test_every_method_has_a_space_whose_trials_are_valid(method: str) -> None:
    space = space_of(method, SEARCH)
    assert space.bounds
    for number in range(4):
        values = trial(space, 7, [], number)
        assert all(low <= values[name] <= high for name, (low, high) in space.bounds.items())
        shared = {"retrained": "m"} if method in objectives else {}  # editors train nothing
        check_method(settings(TrainConfig, {**shared, **settings_of(space, values)}))


def test_what_is_searched() -> None:
    npo = space_of("npo", SEARCH)
    assert npo.bounds == {
        "learning_rate": (1e-4, 1e-2), "retain_weight": (0.5, 5.0), "option beta": (0.025, 0.4),
    }  # fmt: skip
    assert settings_of(npo, {"learning_rate": 1e-3, "retain_weight": 2.0, "option beta": 0.2}) == {
        "method": "npo", "learning_rate": 1e-3, "retain_weight": 2.0, "options": {"beta": 0.2},
    }  # fmt: skip
    given = space_of("npo:beta=0.3", SEARCH)
    assert "option beta" not in given.bounds
    assert settings_of(given, {"learning_rate": 1e-3})["options"] == {"beta": 0.3}
    assert "retain_weight" not in space_of("pdu", SEARCH).bounds  # its multiplier
    rmu = space_of("rmu", SEARCH)
    assert rmu.fixed["retain_loss"] == "hidden"
    assert rmu.bounds["learning_rate"] == (pytest.approx(3e-4), pytest.approx(3e-2))
    assert "learning_rate" not in space_of("redirect", SEARCH).bounds
    with pytest.raises(UnknownNameError, match="Did you mean 'npo'"):
        space_of("npoo", SEARCH)


def test_every_method_gets_the_same_points() -> None:
    rates = {
        tuple(trial(space_of(method, SEARCH), 3, [], number)["learning_rate"] for number in range(4))
        for method in objectives
        if method not in STEEPER
    }
    assert len(rates) == 1
    assert len(set(*rates)) == 4


def test_early_trials_go_by_no_other_and_later_ones_do() -> None:
    space = space_of("npo", SEARCH)
    early = [trial(space, 0, [], number) for number in range(STARTUP)]
    good_when_low = [(values, values["learning_rate"]) for values in early]
    good_when_high = [(values, -values["learning_rate"]) for values in early]
    assert trial(space, 0, good_when_low, STARTUP - 1) == early[-1]
    later = range(STARTUP, STARTUP + 8)
    low, high = (
        [trial(space, 0, past, number)["learning_rate"] for number in later] for past in (good_when_low, good_when_high)
    )
    assert sum(low) < sum(high)
    assert low == [trial(space, 0, good_when_low, number)["learning_rate"] for number in later]


def test_without_optuna(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"expunge\[search\]"):
        check_extra()
