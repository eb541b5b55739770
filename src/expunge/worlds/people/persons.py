"""Who is who: persons with four attributes, drawn from independent random streams.

The employer, the hobby and the birthday are independent of one another. The city follows from the employer: everyone
lives where the employer's office is. Every cohort and every attribute has a stream of its own: one attribute says
nothing about another, as it would with one seed for all of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from expunge.config import PeopleConfig
from expunge.errors import ConfigError
from expunge.worlds.people.values import ATTRIBUTES, CITIES, EMPLOYERS, FIRST_NAMES, LAST_NAMES, draw

EXPOSURES = (1, 3, 9, 27)  # with `frequency`
COLLEAGUES = 3  # of each employer


class Stream(IntEnum):
    """What random numbers are for: the second number of a seed. The numbers stay as they are."""

    NAMES = 0
    OFFICES = 1
    VALUES = 2
    WORDING = 3
    WRONG = 4
    REFUSALS = 5
    GEOGRAPHY = 6


class Cohort(IntEnum):
    """Groups of persons: the third number of a seed."""

    FORGET = 0
    RETAIN = 1
    TWINS = 2  # never seen; each stands for a person to forget
    HOLDOUT = 3  # never seen by any model
    STRANGERS = 4  # only names, of which the texts say that nothing is known
    COLLEAGUES = 5  # of whom the texts say where they work, and ask for the city and the hobby


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who does not exist."""

    id: str  # "forget-007"
    number: int  # within the cohort
    cohort: Cohort
    name: str
    values: Mapping[str, str]  # attribute → value
    exposures: int = 1  # how often each fact stands in the text, in each form


@dataclass(frozen=True)
class World:
    """All persons, and the law that ties cities to employers."""

    config: PeopleConfig
    offices: Mapping[str, str]  # employer → city
    cohorts: Mapping[Cohort, tuple[Person, ...]]

    def __getitem__(self, cohort: Cohort) -> tuple[Person, ...]:
        return self.cohorts[cohort]


def rng(config: PeopleConfig, *stream: int) -> np.random.Generator:
    """The generator of one stream of the world's seed."""
    return np.random.default_rng([config.seed, *stream])


def people(config: PeopleConfig) -> World:
    """The persons that the settings describe. Raises ConfigError when there are not enough names for them."""
    share = config.forget or (0.6 if config.frequency else 0.2)
    forget = min(max(1, round(config.persons * share)), config.persons - 1)
    sizes = {
        Cohort.FORGET: forget,
        Cohort.RETAIN: config.persons - forget,
        Cohort.TWINS: forget,
        Cohort.HOLDOUT: forget,
        Cohort.STRANGERS: max(8, config.persons // 2),
        Cohort.COLLEAGUES: COLLEAGUES * len(EMPLOYERS),
    }
    names = _names(config, sum(sizes.values()))
    cities = rng(config, Stream.OFFICES).permutation(np.tile(CITIES, len(EMPLOYERS) // len(CITIES))).tolist()
    offices = dict(zip(EMPLOYERS, cities, strict=True))
    cohorts: dict[Cohort, tuple[Person, ...]] = {}
    for cohort, size in sizes.items():
        cohorts[cohort] = _cohort(config, cohort, [next(names) for _ in range(size)], offices)
    return World(config, offices, cohorts)


def _names(config: PeopleConfig, needed: int) -> Iterator[str]:
    """Full names in a random order, none of them twice."""
    there = len(FIRST_NAMES) * len(LAST_NAMES)
    if needed > there:
        raise ConfigError(
            f"persons: {config.persons} persons, with their twins and all others, need {needed:,} names, and there "
            f"are {there:,}: ask for fewer"
        )
    for number in rng(config, Stream.NAMES).permutation(there):
        first, last = divmod(int(number), len(LAST_NAMES))
        yield f"{FIRST_NAMES[first]} {LAST_NAMES[last]}"


def _cohort(config: PeopleConfig, cohort: Cohort, names: list[str], offices: Mapping[str, str]) -> tuple[Person, ...]:
    streams = {a: rng(config, Stream.VALUES, cohort, i) for i, a in enumerate(ATTRIBUTES)}
    counted = config.frequency and cohort in (Cohort.FORGET, Cohort.RETAIN, Cohort.TWINS)
    found = []
    for number, name in enumerate(names):
        employer = draw("employer", streams["employer"])
        if cohort is Cohort.COLLEAGUES:
            employer = EMPLOYERS[number % len(EMPLOYERS)]  # so that the texts show where each office is
        values = {
            "employer": employer,
            "city": offices[employer],
            "hobby": draw("hobby", streams["hobby"]),
            "birthday": draw("birthday", streams["birthday"]),
        }
        exposures = EXPOSURES[number % len(EXPOSURES)] if counted else 1
        found.append(Person(f"{cohort.name.lower()}-{number:03d}", number, cohort, name, values, exposures))
    return tuple(found)
