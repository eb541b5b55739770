"""The one look-up of suites and worlds by name."""

from expunge.suites import Suite, suites
from expunge.worlds import worlds


def find_suite(name: str) -> Suite:
    """`tofu:forget05`, `world:people:size=3M`: the suite, read and checked.

    Raises UnknownNameError for a name that there is not, DataError for broken files, before any model is loaded.
    """
    head, _, rest = name.partition(":")
    if head == "world":
        world, _, rest = rest.partition(":")
        return worlds.get(world).function(rest)
    return suites.get(head).function(rest)
