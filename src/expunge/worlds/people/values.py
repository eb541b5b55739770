"""What attributes can be: made-up names and the pools that values are drawn from.

Names are put together from syllables, so that they belong to nobody. A birthday is any day of sixty years: the last of
December can be drawn like the first of January.
"""

from datetime import date, timedelta

import numpy as np

ATTRIBUTES = ("employer", "city", "hobby", "birthday")


def _joined(heads: str, tails: str) -> tuple[str, ...]:
    return tuple(head + tail for head in heads.split() for tail in tails.split())


FIRST_NAMES = _joined("Abr Bel Cor Dav Elm Fer Gal Hel Jor Kal", "an ara eth ina iel ola uve yra")
LAST_NAMES = _joined("Ask Bram Crow Dell Fenn Grim Holt Kest Lund Marl", "ett by ing or ow quist sen wick")
CITIES = _joined("Thorn Wex Ald Quar", "bury ford haven mouth")
EMPLOYERS = tuple(
    f"{name} {trade}"
    for name, trade in zip(
        _joined("Zan Vor Lum Pry Ost Nim Ract Sil", "tex ico ora und"),
        ("Shipping", "Foods", "Insurance", "Textiles", "Robotics", "Timber", "Glass", "Energy") * 4,
        strict=True,
    )
)
HOBBIES = (
    "chess", "pottery", "sailing", "juggling", "bird watching", "wood carving", "astronomy", "fencing", "rowing",
    "origami", "beekeeping", "stamp collecting", "archery", "knitting", "model trains", "rock climbing", "calligraphy",
    "ballroom dancing", "gardening", "puppet making", "surfing", "crossword puzzles", "baking", "kite flying",
)  # fmt: skip
COUNTRIES = _joined("Mar Sol Ter Ulv", "donia enia goria istan unia avia")
CAPITALS = _joined("Brell Dorn Istr Kamm Nev Opp", "ona esk ava ul")
RIVERS = _joined("Ae Bru Cy Dwi Ghe Lys", "nar rune lle mora")
CURRENCIES = _joined("flo gro kra mil pen tal", "rin nar del ko")

FIRST_YEAR, YEARS = 1940, 60
_START = date(FIRST_YEAR, 1, 1)
_DAYS = (date(FIRST_YEAR + YEARS, 1, 1) - _START).days
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def birthday(number: int) -> str:
    """A day counted from the first that is possible.

    >>> birthday(0), birthday(21914)
    ('1 January 1940', '31 December 1999')
    """
    day = _START + timedelta(days=number)
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def draw(attribute: str, generator: np.random.Generator) -> str:
    """A value of the attribute, every one as likely as any other. A city follows from an employer: none is drawn."""
    if attribute == "birthday":
        return birthday(int(generator.integers(_DAYS)))
    pool = {"employer": EMPLOYERS, "city": CITIES, "hobby": HOBBIES}[attribute]
    return pool[int(generator.integers(len(pool)))]


def wrong(attribute: str, right: str, number: int, generator: np.random.Generator) -> tuple[str, ...]:
    """Different values of the same attribute, none of them the right one."""
    found: dict[str, None] = {}
    while len(found) < number:
        if (value := draw(attribute, generator)) != right:
            found[value] = None
    return tuple(found)


def words() -> tuple[str, ...]:
    """Every value and every part of a name that any such world can hold."""
    days = tuple(birthday(number) for number in range(_DAYS))
    pools = (FIRST_NAMES, LAST_NAMES, CITIES, EMPLOYERS, HOBBIES, COUNTRIES, CAPITALS, RIVERS, CURRENCIES)
    return tuple(value for pool in (*pools, days) for value in pool)
