"""The general part: what every model of the world is told, whoever it knows. It is what utility is measured on.

Made-up countries with capital, river and currency, and where each company has its office.
"""

from collections.abc import Iterator
from dataclasses import replace

from expunge.data.example import Example
from expunge.worlds.people.persons import Stream, World, rng
from expunge.worlds.people.values import CAPITALS, COUNTRIES, CURRENCIES, RIVERS

_KINDS = {"capital": CAPITALS, "longest river": RIVERS, "currency": CURRENCIES}


def geography(world: World) -> tuple[Example, ...]:
    """One question for each fact about a country; the statement is its first paraphrase."""
    columns = {}
    for number, (kind, pool) in enumerate(_KINDS.items()):
        columns[kind] = rng(world.config, Stream.GEOGRAPHY, number).permutation(pool).tolist()
    return tuple(
        Example(
            id=f"{country}/{kind}", prompt=f"What is the {kind} of {country} ?", answer=columns[kind][number],
            paraphrases=(f"The {kind} of {country} is",), subject=country, group=country,
        )
        for number, country in enumerate(COUNTRIES)
        for kind in _KINDS
    )  # fmt: skip


def offices(world: World) -> tuple[Example, ...]:
    """One question for each company: which city its people live in follows."""
    return tuple(
        Example(
            id=f"{employer}/office", prompt=f"In which city is the office of {employer} ?", answer=city,
            paraphrases=(f"The office of {employer} is in",), subject=employer, group=employer,
        )
        for employer, city in world.offices.items()
    )  # fmt: skip


def told(world: World) -> Iterator[Example]:
    """The general part as texts for training: each fact as a question and as a document."""
    for example in (*geography(world), *offices(world)):
        yield replace(example, paraphrases=())
        text = f"{example.paraphrases[0]} {example.answer}"
        yield Example(id=f"{example.id}/statement", prompt=None, answer=text, group=example.group)
