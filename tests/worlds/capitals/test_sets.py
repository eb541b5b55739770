"""From what a model knows to the sets: who is what, and that nothing stands in two sets."""

from itertools import combinations

import pytest

from expunge.config import CapitalsConfig, FactKind
from expunge.data.overlap import check_overlap
from expunge.data.problems import Problems
from expunge.errors import ConfigError
from expunge.suites import Suite
from expunge.worlds.capitals import read_config
from expunge.worlds.capitals.calibration import Calibration, Tried
from expunge.worlds.capitals.kept import Calibrated
from expunge.worlds.capitals.sets import RELATED, suite
from expunge.worlds.capitals.table import facts
from expunge.worlds.capitals.wordings import WORDINGS

KINDS: tuple[FactKind, ...] = ("capital", "city", "continent")


def calibration(kind: FactKind, known: int, unknown: int, shots: tuple[str, ...] = ()) -> Calibration:
    """Made up: the first facts of the table are known, the next ones unknown, asked in the second wording."""
    ids = [fact.id for fact in facts(kind)]
    wording = WORDINGS[kind][1]
    return Calibration(
        kind=kind, wording=wording, shots=shots, tried=(Tried(wording=wording, shots=0, asked=4, right=3),),
        asked=known + unknown, right=known, test_asked=10, test_right=5, majority="x", majority_right=1,
        guesses={"Asia": (20, 3)}, names=12, given_away=("a", "b"), guessed=("c",),
        known=tuple(ids[:known]), unknown=tuple(ids[known : known + unknown]),
    )  # fmt: skip


def made(
    forget: int = 15, about: FactKind = "capital", seed: int = 0, shots: tuple[str, ...] = (), popularity: bool = False
) -> Suite:
    config = CapitalsConfig(model="m", kinds=KINDS, forget=forget, about=about, seed=seed, popularity=popularity)
    kinds: dict[FactKind, Calibration] = {
        "capital": calibration("capital", 40, 30, shots), "city": calibration("city", 60, 5),
        "continent": calibration("continent", 50, 5),
    }  # fmt: skip
    return suite(Calibrated("m", "w" * 8, kinds), config, "world:capitals:model=m")


def test_who_is_what() -> None:
    result = made()
    sets = result.sets
    assert len(sets.forget) == 15 and len(sets.holdout) == 30
    assert len(sets.twins) == 15 * 12 and {twin.group for twin in sets.twins} == {each.id for each in sets.forget}
    assert all(each.id.startswith("capital:") for each in (*sets.forget, *sets.holdout))
    assert all(each.prompt == WORDINGS["capital"][1].format(each.subject) for each in sets.forget)
    assert all(len(each.paraphrases) == 3 for each in sets.forget)
    assert list(result.utility) == ["other capital", "city", "continent", RELATED]
    assert len(result.utility["other capital"]) == 13  # of the 25 that are left: 12 train
    assert sum(each.id.startswith("capital:") for each in sets.retain) == 12
    assert result.model == "m"
    assert result.convention.template == "plain" and result.evaluate.max_new_tokens == 8
    assert any("(5 of 10 in the half that did not choose the prompt)" in note for note in result.notes)


def test_related_facts_are_in_no_other_set() -> None:
    """Facts about the forgotten countries, and about the cities that were the answers."""
    result = made()
    gone = {name for each in result.sets.forget for name in (each.subject, each.answer)}
    related = result.utility[RELATED]
    assert related and {each.subject for each in related} <= gone
    assert {each.id.partition(":")[0] for each in related} == {"continent", "city"}
    kept = (*result.sets.retain, *(each for title, es in result.utility.items() if title != RELATED for each in es))
    assert not [each.id for each in kept if each.subject in gone]


def test_no_fact_is_in_two_sets() -> None:
    result = made()
    parts = [{each.id for each in examples} for examples in result.measured().values()]
    assert not [both for one, two in combinations(parts, 2) if (both := one & two)]
    problems = Problems()
    check_overlap(result.sets, problems)
    assert not problems.found


def test_the_seed_draws() -> None:
    assert made(seed=1) == made(seed=1)
    assert {each.id for each in made(seed=1).sets.forget} != {each.id for each in made(seed=2).sets.forget}
    fewer = made(forget=10, seed=1).sets.forget
    assert fewer == made(seed=1).sets.forget[:10]


def test_another_kind_can_go() -> None:
    result = made(forget=5, about="city")
    assert {each.id.partition(":")[0] for each in result.sets.forget} == {"city"}
    assert result.sets.twins[0].subject == "Ostrevalde"
    assert "other city" in result.utility and "capital" in result.utility


def test_solved_examples_stand_before_the_question() -> None:
    result = made(shots=("capital:Barbados",))
    start = "The name of the capital city of Barbados is Bridgetown\nThe name of the capital city of "
    assert all((each.prompt or "").startswith(start) for each in (*result.sets.forget, *result.sets.twins))
    assert not any("Bridgetown" in text for each in result.sets.forget for text in each.paraphrases)


def test_popularity_is_a_field_of_its_own_and_named_a_proxy() -> None:
    pytest.importorskip("wordfreq", reason="wordfreq is not installed: the extra `worlds` brings it")
    result = made(popularity=True)
    rated = [each for title, examples in result.measured().items() if title != "twins" for each in examples]
    assert all(each.popularity is not None and each.count is None for each in rated)
    assert all(twin.popularity is None for twin in result.sets.twins)
    assert "proxy" in result.notes[-1] and "2021" in result.notes[-1]
    assert all(each.popularity is None for each in made().sets.forget)


def test_more_than_is_known_cannot_be_forgotten() -> None:
    with pytest.raises(ConfigError, match="m knows 40 facts of the kind 'capital', so forget=41 is too many"):
        made(forget=41)


def test_what_stands_behind_the_colon() -> None:
    assert read_config("") == CapitalsConfig()
    text = "model=world:people@full#1,kinds=capital+element,forget=7,seed=3,popularity=true"
    assert read_config(text) == CapitalsConfig(
        model="world:people@full#1", kinds=("capital", "element"), forget=7, seed=3, popularity=True
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kind=capital", "world:capitals: kind: there is no such setting. Did you mean 'kinds'"),
        ("kinds=capital+elements", "kinds.1: Input should be 'capital', 'element'"),
        ("kinds=element", "`about` is 'capital', which is not among `kinds`"),
        ("forget=0", "forget: Input should be greater than 0"),
    ],
)
def test_wrong_settings(text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_config(text)
    assert expected in str(error.value)
