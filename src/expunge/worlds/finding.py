"""The suite that a name means: `tofu:forget05`, `muse`, `world:people`."""

from difflib import get_close_matches

from expunge.errors import UnknownNameError
from expunge.suites import Suite, suites
from expunge.worlds import worlds

PREFIX = "world:"


def find_suite(name: str) -> Suite:
    """A public suite `NAME[:VARIANT]` or a world `world:NAME[:VARIANT]`, read and checked.

    Needs no model, but for `world:capitals`, which asks its model once what it knows. Raises UnknownNameError, with the
    nearest name, and DataError for what is wrong with the files.
    """
    if name.startswith(PREFIX):
        world, _, variant = name.removeprefix(PREFIX).partition(":")
        return worlds.get(world).function(variant)
    suite, _, variant = name.partition(":")
    if suite not in suites:
        raise UnknownNameError(_unknown(suite))
    return suites.get(suite).function(variant)


def _unknown(name: str) -> str:
    known = [*suites, *(f"{PREFIX}{world}" for world in worlds)]
    wanted = f"{PREFIX}{name}" if name in worlds else name
    near = get_close_matches(wanted.lower(), known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"no suite called {name!r}.{hint} Known: {', '.join(known)}"
