"""Names of suites and worlds, and what is said of those that are none."""

import sys
from pathlib import Path

import pytest

from expunge.data.example import Sets
from expunge.errors import UnknownNameError
from expunge.suites import Suite, SuiteEntry, suites
from expunge.worlds import worlds
from expunge.worlds.finding import find_suite
from suites.official import write_wmdp


@pytest.fixture
def village(monkeypatch: pytest.MonkeyPatch) -> None:
    """A world that is registered for one test."""
    list(worlds)  # so that the folder is loaded before its table is replaced
    make = lambda variant: Suite(name=f"world:village:{variant}", sets=Sets())
    entry = SuiteEntry("village", make, (), "", "", "", "")
    monkeypatch.setattr(worlds, "_items", {**worlds._items, "village": entry})


def test_a_variant_is_what_stands_behind_the_name(
    village: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EXPUNGE_WMDP", str(write_wmdp(tmp_path)))
    assert find_suite("wmdp:chem").name == "wmdp:chem"
    assert find_suite("wmdp").name == "wmdp:cyber"
    assert find_suite("world:village:seed=3:x").name == "world:village:seed=3:x"
    assert find_suite("world:village").name == "world:village:"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tofo:forget05", "no suite called 'tofo'. Did you mean 'tofu'?"),
        ("village", "no suite called 'village'. Did you mean 'world:village'?"),
        ("world:vilage", "no world called 'vilage'. Did you mean 'village'?"),
        ("", "no suite called ''. Known:"),
    ],
)
def test_names_that_mean_nothing(village: None, name: str, message: str) -> None:
    with pytest.raises(UnknownNameError) as error:
        find_suite(name)
    assert str(error.value).startswith(message)


def test_every_suite_says_what_it_is() -> None:
    assert set(suites) == {"tofu", "muse", "wmdp", "rwku", "knowundo", "capitals-qa", "books-qa", "zsre-qa"}
    for name in suites:
        entry = suites.get(name)
        assert entry.summary and entry.size and entry.source and entry.licence and entry.variants
        assert entry.paper.startswith("arXiv:")
        assert entry.paper in (sys.modules[entry.function.__module__].__doc__ or "")
