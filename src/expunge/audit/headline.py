"""What keeps a never-knew rate from being the headline: a part of the panel is missing, or too little was compared."""

from collections.abc import Iterator, Sequence

from expunge.attacks import attacks
from expunge.audit.cells import ORIGINAL, Sources
from expunge.audit.never_knew import Scored
from expunge.audit.panel import MEMBERSHIP, METRICS, Panel
from expunge.config import parse_name

SEEDS, ITEMS = 3, 200  # retrained models and examples, from which on a rate may be the headline


def left_out(panel: Panel, sources: Sources, cells: Sequence[Scored]) -> tuple[str, ...]:
    """What of the panel gave no cell with a control: names, with the part where only some of its parts are missing."""
    there = {(cell.name, cell.part) for cell in cells if cell.controls}
    names = {name for name, _ in there}
    lost = [each for each in _wanted(panel, sources) if each not in there]
    told = dict.fromkeys(f"{name} ({part})" if part and name in names else name for name, part in lost)
    if all(name in told for name in MEMBERSHIP):
        return (*(each for each in told if each not in MEMBERSHIP), "membership")
    return tuple(told)


def not_a_headline(lost: Sequence[str], sources: Sources, cells: Sequence[Scored]) -> tuple[str, ...]:
    """Why a rate is none, in words; () where it is one."""
    # what others are measured by is no control beside them: attacks that need a retrained model have one fewer
    controls = {cell.name: len(cell.controls) for cell in cells if cell.controls and not _needs_retrained(cell.name)}
    if sources.stand_in is not None:
        controls = dict.fromkeys(controls, 0)
    few = [name for name, number in controls.items() if number < SEEDS]
    items = min(len(sources.sets[title]) for title in sources.forget)
    where = f" in {', '.join(few)}" if len(few) < len(controls) else ""
    reasons = [
        "the panel is incomplete" if lost else "",
        f"fewer than {SEEDS} retrained models{where}" if few else "",
        f"{items} items, of {ITEMS} that it takes" if items < ITEMS else "",
    ]
    return tuple(filter(None, reasons))


def _wanted(panel: Panel, sources: Sources) -> Iterator[tuple[str, str]]:
    """Name and part of every cell that there should be."""
    for title in sources.forget:
        for name in (name for several in METRICS.values() for name in several):
            yield name, title if len(sources.forget) > 1 else ""
    for text in panel.attacks:
        found = sources.models[ORIGINAL].findings.get(text, ())
        name = attacks.get(parse_name(text)[0]).name
        yield from ((name, part) for part in ([each.part for each in found] or [""]))
    yield from ((name, "") for name in MEMBERSHIP)


def _needs_retrained(name: str) -> bool:
    return name in attacks and "retrained" in attacks.get(name).needs
