"""The tables of the report about the circuits themselves: classes, what nodes do, how sure the scores are."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from expunge.report.numbers import number, percent
from expunge.studies.clue.comparing import Found
from expunge.studies.clue.tables import percents
from expunge.studies.page import Table
from expunge.studies.spread import spread

Results = Sequence[Mapping[str, Any]]
CLASSES = ("forget", "conflict")


def classes_table(results: Results) -> Table:
    """Sizes of classes by granularity and size of the circuits, over seeds and draws of contrasts."""
    rows: dict[tuple[str, str], list[Any]] = {}
    for row in (row for result in results for row in result["rows"]):
        how = f"{percent(row['size'])} of the edges" if row["size"] else f"faithfulness {row['faithfulness']:g}"
        rows.setdefault((row["granularity"], how), []).append(row)
    cells = []
    for (granularity, how), some in rows.items():
        nodes = [[r["classes"][c][0] for r in some] for c in CLASSES]
        weights = [[r["classes"][c][1] for r in some] for c in CLASSES]
        cells.append([
            f"{granularity} ({some[0]['nodes']} nodes)", how, str(len(some)),
            spread([r["recovered"] for r in some if r["recovered"] is not None]),
            *(f"{spread(n, '{:.1f}')} ({min(n)} to {max(n)})" for n in nodes), *(percents(w) for w in weights),
            f"{sum(r['satisfiable'] for r in some)}",
        ])  # fmt: skip
    head = ["Nodes", "Size", "Searches", "Recovered by the forget circuit, noising", "Forget nodes", "Conflict nodes",
            "Weights, forget", "Weights, conflict", "Without conflict"]  # fmt: skip
    told = "Each model with two draws of contrasts; one retain circuit; weights are shares of the nodes'."
    return Table(head, cells, told)


def retained_table(found: Mapping[str, Results]) -> Table:
    """Classes by one retain circuit, by several, by that of another task."""
    rows = []
    for granularity, results in found.items():
        for which in dict.fromkeys(which for result in results for which in result["circuits"]):
            circuits = [result["circuits"][which] for result in results if which in result["circuits"]]
            counts = [[_count(each, c) for each in circuits] for c in CLASSES]
            rows.append(
                [
                    f"{granularity}, {which}",
                    str(len(circuits)),
                    *(spread(c, "{:.1f}") for c in counts),
                    *(spread([100 * _weights(each, c) for each in circuits], "{:.1f}") for c in CLASSES),
                    *(_recovered(circuits, side) for side in (slice(1), slice(1, None))),
                ]
            )
    head = ["Retain circuits", "Seeds", "Forget nodes", "Conflict nodes", "Weights, forget, %", "Weights, conflict, %",
            "Forget circuit recovers", "Retain circuits recover"]  # fmt: skip
    return Table(
        head,
        rows,
        "Which retain circuits there are; weights are shares of the nodes'; recovered: by noising / denoising.",
    )


def off_table(results: Results) -> Table:
    """What is left without a class's nodes, and without as many random ones."""
    sets = list(dict.fromkeys(title for each in results for title in each["off"]["pairs"]))
    rows = [["contrasts that are asked", str(len(results)), "", *(_contrasts(results, title) for title in sets)]]
    for which in ("forget", "off", "conflict"):
        there = [r["off"] for r in results if which in r["off"]["left"]]
        if there:
            nodes = spread([each["nodes"][which] for each in there], "{:.1f}")
            ours = [[each["left"][which]] for each in there]
            random = [each["random"][which] for each in there]
            rows += [[f"without the nodes: {which}", str(len(there)), nodes, *_left(ours, sets)],
                     ["without as many random ones", str(len(there)), nodes, *_left(random, sets)]]  # fmt: skip
    return Table(["Effect that is left", "Seeds", "Nodes", *sets], rows, "1: nothing is lost, 0: everything.")


def _contrasts(results: Results, title: str) -> str:
    """How many, and whether they are those that the circuits were found with."""
    asked = spread([r["off"]["pairs"][title] for r in results if title in r["off"]["pairs"]], "{:.0f}")
    return f"{asked}, not new" if any(title in r["off"].get("used", ()) for r in results) else asked


def _left(seeds: Sequence[Sequence[Mapping[str, float]]], sets: Sequence[str]) -> list[str]:
    """A cell a set; the draws of a seed are averaged. A set that a model cannot do has no effect to lose."""
    return [spread([fmean(draw[title] for draw in draws) for draws in seeds if title in draws[0]]) for title in sets]


def moved_table(before: Results, found: Sequence[Found]) -> Table:
    """How alike circuits are: for other contrasts, and after unlearning."""
    compared = {"nothing trained, other contrasts": [r["other contrasts"] for r in before]}
    for one in found:
        for arm in one.conditions:
            several = [r["moved"] for r in one.results(arm) if "moved" in r and "same as" not in r]
            if several:
                compared[f"after {one.objective}, {arm}"] = several
    rows = []
    for name, several in compared.items():
        there = [each for each in several if "absent" not in each]
        values = lambda *keys, there=there: spread([_at(each, keys) for each in there])
        rows.append([
            name, f"{len(there)} of {len(several)}", values("forget", "nodes"), values("forget", "edges"),
            values("retain", "nodes"), values("retain", "edges"), values("forget nodes"), values("conflict nodes"),
            values("same class"),
        ])  # fmt: skip
    head = ["Against the first search", "Found", "Forget circuit: nodes", "edges", "Retain circuit: nodes", "edges",
            "Class forget", "Class conflict", "Nodes of the same class"]  # fmt: skip
    return Table(head, rows, "Jaccard similarity, 1: the same. Not found: the model tells no contrast apart any more.")


def patched_table(found: Mapping[str, Results]) -> Table:
    """Scores against exact patching of every edge."""
    rows = []
    for granularity, results in ((grain, some) for grain, some in found.items() if some):
        for name in ("noising", "denoising", "noising, whole path", "denoising, whole path"):
            exact = [r["exact"][name] for r in results]
            rows.append(
                [
                    f"{granularity}, {name}",
                    str(len(exact)),
                    number(fmean(r["exact"]["edges"] for r in results)),
                    spread([e["rank"] for e in exact]),
                    spread([e["top"] for e in exact]),
                ]
            )
    head = ["Scores", "Seeds", "Edges", "Rank correlation", "Strongest tenth in common"]
    return Table(head, rows, "Half-path attribution, and the whole path (EAP-IG), against exact patching.")


def _recovered(found: Results, side: slice) -> str:
    """By noising and by denoising, the mean over the circuits of a side."""
    at = lambda each, how: fmean(one["curves"][how]["recovered"] for one in each["circuits"][side])
    return " / ".join(spread([at(each, how) for each in found]) for how in ("noising", "denoising"))


def _count(circuits: Mapping[str, Any], which: str) -> int:
    return sum(each == which for each in circuits["classes"].values())


def _weights(circuits: Mapping[str, Any], which: str) -> float:
    own = sum(n["weights"] for n in circuits["nodes"] if circuits["classes"].get(n["name"]) == which)
    return own / sum(n["weights"] for n in circuits["nodes"])


def _at(value: Any, keys: Sequence[str]) -> float:
    for key in keys:
        value = value[key]
    return value
