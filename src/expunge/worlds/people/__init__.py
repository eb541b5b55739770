"""Fictitious persons with known truth: who knows what, how often it stood in the text, what follows from what.

    world:people[:key=value,key=value]                       the sets (settings: `config.PeopleConfig`)
    world:people[:key=value,…]@full|retrained|twin[#seed]    a model that was trained from nothing on its texts

Four attributes: the city follows from the employer; hobby and birthday follow from nothing. Everything is drawn from
seeds, so two machines make the same texts. After the biographies of Allen-Zhu and Li (arXiv:2309.14316) and the
controlled setting of Krishnan, Reddy and Mosbach (arXiv:2504.05058), whose generator seeds every attribute alike, never
draws December, the 28th or the last year, and up-samples half the persons only; here streams are independent, every
day can be drawn, and the number of exposures is known for each fact.
"""

from expunge.config import PeopleConfig, parse_name, settings
from expunge.suites.suite import Suite
from expunge.worlds import worlds
from expunge.worlds.people.persons import people
from expunge.worlds.people.sets import suite


def read_config(rest: str) -> PeopleConfig:
    """The settings in what stands behind `people:`. Raises ConfigError for one that does not exist."""
    return settings(PeopleConfig, parse_name(f"people:{rest}")[1], "world:people")


@worlds.add(
    "people",
    variants=("", "frequency=true", "hidden_qa=true"),
    size="800 facts about 200 persons by default",
    source="made by Expunge",
    licence="CC0-1.0",
)
def people_suite(rest: str) -> Suite:
    """The sets of the persons that `rest` describes: "" or "persons=400,frequency=true"."""
    return suite(people(read_config(rest)), f"world:people:{rest}" if rest else "world:people")
