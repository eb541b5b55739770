"""`expunge ls`."""

from enum import Enum
from typing import Annotated, Any

import typer

from expunge.cli import options as o


class Kind(str, Enum):
    """What can be listed."""

    OBJECTIVES = "objectives"
    PROCEDURES = "procedures"
    EDITORS = "editors"
    LOCALIZERS = "localizers"
    RETAIN_LOSSES = "retain-losses"
    ARITHMETIC = "arithmetic"
    SELECTORS = "selectors"
    WRAPPERS = "wrappers"
    METRICS = "metrics"
    ATTACKS = "attacks"
    SUITES = "suites"
    WORLDS = "worlds"
    STUDIES = "studies"
    MODELS = "models"
    ARCHITECTURES = "architectures"


def ls(
    kind: Annotated[Kind | None, typer.Argument(help="Leave out for everything.")] = None,
    json: o.Json = False,
) -> None:
    """What there is: methods, metrics, models …

    Example: expunge ls objectives
    """
    from expunge.runs.listing import LISTS

    lists = {**LISTS, "studies": _studies}
    kinds = [kind.value] if kind else list(lists)
    if json:
        import json as encoder

        rows = [entry for each in kinds for entry in lists[each]()]
        print(encoder.dumps(rows, ensure_ascii=False, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    for each in kinds:
        table = Table(title=each, title_justify="left", box=None, header_style="bold")
        for column in ("name", "summary", "citation"):
            table.add_column(column)
        for entry in lists[each]():
            names = ", ".join([entry["name"], *entry["aliases"]])
            table.add_row(names, entry["summary"], entry["citation"])
        Console().print(table)


def _studies() -> list[dict[str, Any]]:
    """Experiments stand above the runs that they are made of, so they are listed here."""
    from expunge.runs.listing import entry
    from expunge.studies import studies

    return [entry(name, (), studies.get(name).summary, studies.get(name).paper) for name in studies]
