"""What `expunge ls` shows: name, aliases, summary, citation of everything that is registered."""

from collections.abc import Callable
from typing import Any

Entry = dict[str, Any]


def entry(name: str, aliases: tuple[str, ...], summary: str, citation: str) -> Entry:
    return {"name": name, "aliases": list(aliases), "summary": summary.rstrip("."), "citation": citation}


def _objectives(which: str) -> list[Entry]:
    import expunge.objectives as package

    registry = getattr(package, which)
    found = ((name, registry.get(name)) for name in registry)
    return [entry(name, registry.aliases(name), each.summary, each.paper) for name, each in found]


def _editors() -> list[Entry]:
    from expunge.edit import editors

    return [entry(name, editors.aliases(name), editors.get(name).summary, editors.get(name).paper) for name in editors]


def _procedures() -> list[Entry]:
    from expunge.procedures import procedures as registry

    found = ((name, registry.get(name)) for name in registry)
    return [entry(name, registry.aliases(name), each.summary, each.paper) for name, each in found]


def _localizers() -> list[Entry]:
    from expunge.localize import localizers

    found = []
    for name in localizers:
        each = localizers.get(name)
        where = ", ".join(each.granularities)
        found.append(
            entry(name, localizers.aliases(name), f"{each.summary.rstrip('.')}. Granularities: {where}", each.paper)
        )
    return found


def _selectors() -> list[Entry]:
    from expunge.arithmetic.alpha import selectors

    return [entry(name, (), selectors.get(name).summary, "") for name in selectors]


def _arithmetic() -> list[Entry]:
    from expunge.arithmetic import operations

    found = ((name, operations.get(name)) for name in operations)
    return [entry(name, operations.aliases(name), each.summary, each.paper) for name, each in found]


def _metrics() -> list[Entry]:
    from expunge.evaluate import metrics

    return [entry(name, metrics.aliases(name), metrics.get(name).summary, "") for name in metrics]


def _attacks() -> list[Entry]:
    from expunge.attacks import attacks

    return [entry(name, attacks.aliases(name), attacks.get(name).summary, "") for name in attacks]


def _wrappers() -> list[Entry]:
    from expunge.registry import summary_of
    from expunge.train.wrappers import wrappers

    return [entry(name, (), summary_of(wrappers.get(name).__module__), "") for name in wrappers]


def _models() -> list[Entry]:
    from expunge.models.builtin import BUILTIN

    return [entry(name, (), each.summary, "") for name, each in BUILTIN.items()]


def _suites(kind: str) -> list[Entry]:
    """Of data: also how much it is, where it comes from and under which licence."""
    if kind == "suites":
        from expunge.suites import suites as registry
    else:
        from expunge.worlds import worlds as registry
    found = []
    for name in registry:
        each = registry.get(name)
        variants = f" Variants: {', '.join(v for v in each.variants if v)}." if any(each.variants) else ""
        facts = f"Size: {each.size}; source: {each.source}; licence: {each.licence}."
        told = f"{each.summary.rstrip('., ')}. {facts}{variants}"
        found.append(entry(name, registry.aliases(name), told, each.paper))
    return found


def _architectures() -> list[Entry]:
    from expunge.models.architectures import ARCHITECTURES

    return [entry(name, (), "", "") for name in ARCHITECTURES]


LISTS: dict[str, Callable[[], list[Entry]]] = {
    "objectives": lambda: _objectives("objectives"),
    "procedures": _procedures,
    "editors": _editors,
    "localizers": _localizers,
    "selectors": _selectors,
    "retain-losses": lambda: _objectives("retain_losses"),
    "arithmetic": _arithmetic,
    "wrappers": _wrappers,
    "metrics": _metrics,
    "attacks": _attacks,
    "suites": lambda: _suites("suites"),
    "worlds": lambda: _suites("worlds"),
    "models": _models,
    "architectures": _architectures,
}
