"""Who is who: laws, independence of streams, values that can be drawn."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from expunge.config import PeopleConfig
from expunge.errors import ConfigError
from expunge.worlds.people import values
from expunge.worlds.people.persons import COLLEAGUES, Cohort, Stream, people, rng
from expunge.worlds.people.values import ATTRIBUTES, CITIES, EMPLOYERS, HOBBIES, birthday, draw, wrong


def test_the_city_follows_from_the_employer() -> None:
    world = people(PeopleConfig())
    everyone = [person for cohort in world.cohorts.values() for person in cohort]
    assert all(person.values["city"] == world.offices[person.values["employer"]] for person in everyone)
    assert set(world.offices) == set(EMPLOYERS)
    assert set(Counter(world.offices.values()).values()) == {len(EMPLOYERS) // len(CITIES)}  # so chance is 1/16


def test_hobbies_follow_from_nothing() -> None:
    """A generator that is seeded anew before each attribute would fail here: equal draws, so a perfect dependence."""
    persons = people(PeopleConfig(persons=2000))[Cohort.RETAIN]
    columns = {a: [p.values[a] for p in persons] for a in ATTRIBUTES}
    columns["birthday"] = [value.split()[1] for value in columns["birthday"]]  # the month
    for one, other in (("employer", "hobby"), ("employer", "birthday"), ("hobby", "birthday")):
        assert _dependence(columns[one], columns[other]) > 0.001, (one, other)
    assert _dependence(columns["employer"], columns["city"]) < 1e-12


def _dependence(one: list[str], other: list[str]) -> float:
    """The p-value of independence."""
    first, second = sorted(set(one)), sorted(set(other))
    table = np.zeros((len(first), len(second)))
    for a, b in zip(one, other):
        table[first.index(a), second.index(b)] += 1
    return float(chi2_contingency(table).pvalue)  # type: ignore[attr-defined]


def test_streams_are_apart() -> None:
    """Another number of persons to retain changes no twin's values, and no two streams begin alike."""
    few, many = people(PeopleConfig(persons=40, forget=0.5)), people(PeopleConfig(persons=50, forget=0.4))
    for cohort in (Cohort.FORGET, Cohort.TWINS, Cohort.HOLDOUT):
        assert [p.values for p in few[cohort]] == [p.values for p in many[cohort]]
    config = PeopleConfig()
    keys = [(Stream.VALUES, cohort, attribute) for cohort in Cohort for attribute in range(4)]
    keys += [(Stream.NAMES, 0, 0), (Stream.OFFICES, 0, 0), (Stream.GEOGRAPHY, 0, 0), (Stream.GEOGRAPHY, 1, 0)]
    assert len({rng(config, *key).integers(2**60) for key in keys}) == len(keys)
    assert people(config).cohorts != people(PeopleConfig(seed=1)).cohorts


def test_nobody_is_two_persons() -> None:
    world = people(PeopleConfig(persons=400))
    names = [person.name for cohort in world.cohorts.values() for person in cohort]
    assert len(names) == len(set(names))
    assert [len(world[c]) for c in (Cohort.FORGET, Cohort.RETAIN, Cohort.TWINS, Cohort.HOLDOUT)] == [80, 320, 80, 80]
    assert len(world[Cohort.COLLEAGUES]) == COLLEAGUES * len(EMPLOYERS)


def test_names_and_values_do_not_overlap() -> None:
    pools = [getattr(values, n) for n in ("FIRST_NAMES", "LAST_NAMES", "CITIES", "EMPLOYERS", "HOBBIES", "COUNTRIES")]
    pools += [values.CAPITALS, values.RIVERS, values.CURRENCIES]
    flat = [value for pool in pools for value in pool]
    assert len(flat) == len(set(flat))


def test_every_day_can_be_drawn() -> None:
    """The first and the last of every range, leap days too, and no day that does not exist."""
    days = [birthday(number) for number in range(values._DAYS)]
    assert len(set(days)) == len(days) == 60 * 365 + 15
    assert {"1 January 1940", "31 December 1999", "28 December 1999", "29 February 1996"} <= set(days)
    assert {d.split()[0] for d in days} == {str(i) for i in range(1, 32)}
    assert "29 February 1999" not in days and "31 April 1950" not in days
    generator = np.random.default_rng(0)
    drawn = [draw("birthday", generator).split() for _ in range(5000)]
    assert len({month for _, month, _ in drawn}) == 12 and len({year for *_, year in drawn}) == 60
    assert {draw("hobby", generator) for _ in range(2000)} == set(HOBBIES)


def test_wrong_values_are_wrong_and_of_the_same_kind() -> None:
    generator = np.random.default_rng(0)
    for attribute, pool in (("employer", EMPLOYERS), ("city", CITIES), ("hobby", HOBBIES)):
        found = wrong(attribute, pool[3], len(pool) - 1, generator)  # all there are
        assert sorted(found) == sorted(set(pool) - {pool[3]})
    assert "1 January 1940" not in wrong("birthday", "1 January 1940", 50, generator)


def test_frequencies_are_spread_evenly() -> None:
    world = people(PeopleConfig(frequency=True))
    assert Counter(p.exposures for p in world[Cohort.FORGET]) == {1: 30, 3: 30, 9: 30, 27: 30}
    assert Counter(p.exposures for p in world[Cohort.RETAIN]) == {1: 20, 3: 20, 9: 20, 27: 20}
    assert [p.exposures for p in world[Cohort.TWINS]] == [p.exposures for p in world[Cohort.FORGET]]


def test_too_many_persons_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"persons: 9000 persons, .* ask for fewer"):
        people(PeopleConfig(persons=9000))
