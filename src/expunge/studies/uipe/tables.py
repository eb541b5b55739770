"""The tables of the report."""

from collections.abc import Mapping, Sequence
from typing import Any

from expunge.report.numbers import number, percent, signed
from expunge.studies.compared import Compared, judged_table
from expunge.studies.page import Table
from expunge.studies.spread import spread
from expunge.studies.uipe.comparing import Cell, Choice, startable
from expunge.studies.uipe.plan import READ
from expunge.studies.uipe.promise import CUTS
from expunge.studies.uipe.scene import FORGET, RELATED, STATEMENT, TEST, UNRELATED

_READ = tuple((group, measure) for group in (FORGET, TEST) for measure in ("level", "strength", "ratio"))
ORIGINS = ("half", "early", "kept")
Cells = Mapping[tuple[str, str], Sequence[Cell]]


def taken_table(taken: Sequence[Compared]) -> Table:
    heads = ("Method, model", "Related drop", "Unrelated drop")
    return judged_table(((each.name, each) for each in taken), heads, "From α = 0 to α = 1: nats per token lost.")


def moved_table(found: Cells) -> Table:
    """Random directions and a larger rate."""
    rows = []
    for (size, method), several in found.items():
        random = [
            point["measures"][g]["log"] - cell.at(0.0)[g]["log"]
            for g in (FORGET,) for cell in several for draw in cell.result["random"] for point in draw["curve"]
            if point["alpha"] == 1.0
        ]  # fmt: skip
        along = [-cell.drop(FORGET, 1.0) for cell in several]
        faster = [cell.result["faster"]["measures"] for cell in several]
        rows.append([
            f"{method}, {size}", spread(along), spread(random), spread([m[FORGET]["level"] for m in faster]),
            spread([m[RELATED]["level"] for m in faster if RELATED in m]), spread([m[TEST]["level"] for m in faster]),
        ])  # fmt: skip
    head = ["Method, model", "Forget, nats, α = 1", "the same, random direction", "Twice the rate: forget", "related",
            "retained"]  # fmt: skip
    return Table(
        head,
        rows,
        "What a random direction of equal length per tensor does, and a larger learning rate (levels as "
        "they came out, not at equal forgetting).",
    )


def selectors_table(chosen: Sequence[Choice]) -> Table:
    rows = [
        [c.name, spread(c.alphas), _share([alpha > 0 for alpha in c.alphas]),
         _share([alpha < 0 for alpha in c.alphas]), _share(c.held), _share(c.further),
         _share(c.overshot), spread(c.losses), f"{spread(c.regrets)} ({len(c.regrets)})"]
        for c in chosen
    ]  # fmt: skip
    head = ["Choice", "α", "α > 0", "α < 0", "Floor held", "Held where α > 0", "Overshot", "Loss", "Regret (cells)"]
    return Table(head, rows, "All methods, sizes, seeds.")


def promise_table(found: Cells) -> Table:
    """How often the rule of “nearest” keeps the floor on the other half, over many cuts."""
    rows = []
    for (size, method), several in found.items():
        counts = [each for cell in several if (each := cell.result.get("promise"))]
        share = lambda part, whole, counts=counts: spread([c[part] / c[whole] for c in counts if c[whole]])
        rows.append([f"{method}, {size}", str(len(counts)), spread([c["cuts"] for c in counts], "{:.0f}"),
                     share("held", "cuts"), share("further", "cuts"), share("held further", "further")])  # fmt: skip
    head = ["Method, model", "Seeds", "Cuts", "Floor held", "α > 0", "Held where α > 0"]
    told = f"Of {CUTS} cuts of each cell those in which some α surely holds the floor; shares, means ± sd."
    return Table(head, rows, told)


def _share(which: Sequence[bool]) -> str:
    return f"{sum(which)} of {len(which)}"


def origins_table(found: Cells) -> Table:
    rows = [
        [f"{method}, {size}",
         *(spread([cell.result["from"][o]["step"] for cell in several], "{:.0f}") for o in ORIGINS),
         *(spread([cell.best_on_line(o) for cell in several]) for o in ORIGINS)]
        for (size, method), several in found.items()
    ]  # fmt: skip
    head = ["Method, model", *(f"step, {o}" for o in ORIGINS), *(f"best loss, {o}" for o in ORIGINS)]
    return Table(head, rows, "From which checkpoint: the smallest loss that any α reaches, in hindsight.")


def automatic_table(found: Cells) -> Table:
    groups = groups_of(found)
    rows = []
    for (size, method), several in found.items():
        chosen = [(cell, cell.result["selectors"].get("nearest") or {}) for cell in several]
        there = [(cell, c["measures"], c["alpha"]) for cell, c in chosen if c and startable(cell)]
        levels = [
            f"{spread([cell.at(0.0)[g]['level'] for cell, *_ in there])} → "
            f"{spread([m[g]['level'] for _, m, _ in there])}"
            for g in groups
        ]
        kept = [cell.kept(m) for cell, m, _ in there]
        rows.append([f"{method}, {size}", str(len(there)), spread([a for *_, a in there]), *levels,
                     percent(sum(kept) / len(kept)) if kept else "–"])  # fmt: skip
    head = ["Method, model", "Seeds", "α", *groups, "Utility kept"]
    return Table(head, rows, "α by “nearest”, from the early checkpoint: before → after.")


def groups_of(found: Cells) -> list[str]:
    """What is measured besides the retain set, in the order of the tables."""
    start = next(iter(found.values()))[0].start
    return [group for group in (FORGET, STATEMENT, RELATED, UNRELATED) if group in start]


def strengths_table(found: Cells, alphas: Sequence[float]) -> Table:
    """What the benchmarks of others read: probability, extraction strength, truth ratio."""
    rows = [
        [f"{method}, {size}", f"{alpha:g}",
         *(spread([v for cell in several if (v := cell.at(alpha)[group].get(measure)) is not None])
           for group, measure in _READ)]
        for (size, method), several in found.items() for alpha in alphas
    ]  # fmt: skip
    measures = ("probability", "extraction strength", "truth ratio")
    head = ["Method, model", "α", *(f"{group}: {measure}" for group in ("Forget", "Retained") for measure in measures)]
    return Table(head, rows, "Along α from the early checkpoint, means ± sd. Truth ratio 1/2: right and wrong alike.")


def choice_table(found: Cells) -> Table:
    def distance(measures: Mapping[str, Any]) -> float:
        return measures[FORGET]["choice"] - measures[FORGET]["chance"]

    rows = []
    for (size, method), several in found.items():
        signed_ = [[distance(cell.at(a)) for cell in several] for a in READ]
        cells = [f"{spread([abs(d) for d in each])} ({signed(sum(each) / len(each))})" for each in signed_]
        rows.append([f"{method}, {size}", *cells])
    return Table(["Method, model", "α = 0", "0.5", "1", "2"], rows, "|accuracy - chance| (and accuracy - chance).")


def p_value(result: Any) -> str:
    return number(result.permutation_p if result.t_p is None else result.t_p)
