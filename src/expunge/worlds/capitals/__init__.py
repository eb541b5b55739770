"""Facts in real pre-trained models: what a model knows of capitals, cities, elements, works, currencies, continents.

    world:capitals[:key=value,key=value]       settings: `config.CapitalsConfig`; kinds are joined by +

What the sets hold depends on the model (`model=`, `smollm2` by default): it is asked, and only what it knows can be
forgotten. How it is asked and what counts as known stands in `calibrating.py`; what is found is kept in the cache.
"""

import sys
from typing import Any

from expunge.config import CapitalsConfig, parse_name, settings
from expunge.suites.suite import Suite
from expunge.worlds import worlds
from expunge.worlds.capitals.nowhere import twins
from expunge.worlds.capitals.table import facts

__all__ = ["capitals", "facts", "read_config", "twins"]


def read_config(rest: str) -> CapitalsConfig:
    """The settings in what stands behind `capitals:`. Raises ConfigError for one that does not exist."""
    given: dict[str, Any] = parse_name(f"capitals:{rest}")[1]
    if "kinds" in given:
        given["kinds"] = tuple(str(given["kinds"]).split("+"))
    if "model" in given:
        given["model"] = str(given["model"])
    return settings(CapitalsConfig, given, "world:capitals")


@worlds.add(
    "capitals",
    variants=("", "model=smollm2,kinds=capital+element,forget=15,seed=0", "popularity=true"),
    size="799 facts of 6 kinds, of which a small model knows a third",
    source="after GeoNames, ISO 4217 and the periodic table",
    licence="CC-BY-4.0",
)
def capitals(rest: str) -> Suite:
    """The sets for the model and settings that `rest` describes; asks the model if it has not been asked before."""
    from expunge.worlds.capitals.kept import calibrated
    from expunge.worlds.capitals.sets import suite

    config = read_config(rest)
    name = f"world:capitals:{rest}" if rest else "world:capitals"
    return suite(calibrated(config, say=lambda text: print(text, file=sys.stderr)), config, name)
