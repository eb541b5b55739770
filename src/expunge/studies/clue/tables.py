"""The tables of the report about what arms came to."""

from collections.abc import Mapping, Sequence

from expunge.report.numbers import number, signed
from expunge.studies.clue.arms import BY_RATIO, condition
from expunge.studies.clue.comparing import (
    ANEW,
    ROUGE_FORGET,
    ROUGE_RETAIN,
    TESTED,
    THREE,
    Comparison,
    Found,
    Shares,
    value_before,
    value_of,
)
from expunge.studies.clue.scene import REST
from expunge.studies.compared import judged_table
from expunge.studies.page import Table
from expunge.studies.spread import spread

BEFORE = "before"
REREAD = (
    "skill", ROUGE_FORGET, ROUGE_RETAIN, "AUC", "TPR at 1 % FPR", "relearnt", "relearnt, gained", "unrelated",
    "unrelated, gained", "said after unrelated",
)  # fmt: skip


def main_table(found: Sequence[Found]) -> Table:
    """What each arm came to, at the kept point."""
    rows = []
    for one in found:
        rows.append([f"{one.objective}, {BEFORE}", str(len(one.before)), "–", "–",
                     *(spread(before(one, m)) for m in THREE), "–", spread(before(one, ANEW)), "–"])  # fmt: skip
        for arm in one.conditions:
            values = lambda metric, one=one, arm=arm: list(one.values(arm, metric).values())
            results = one.results(arm)
            held = sum(r["holds"] for r in results)
            rows.append([
                f"{one.objective}, {arm}", str(len(values("share"))), percents(values("share")),
                percents(values("changed")), *(spread(values(m)) for m in (*THREE, "distance", ANEW)),
                f"{held} of {len(results)}",
            ])  # fmt: skip
    head = ["Objective, arm", "Seeds", "Weights in the masks", "Weights changed", *THREE, "Distance", ANEW,
            "Floor held"]  # fmt: skip
    return Table(head, rows, f"At the kept point, means ± sd over seeds.{_notes(found)}")


def _notes(found: Sequence[Found]) -> str:
    """Runs that were not what their arm says, or that ended early."""
    notes = [
        f"{each.objective}, {arm}, seed {seed}: {result['note']}"
        for each in found for seed, results in each.seeds.items() for arm, result in results.items()
        if result.get("note")
    ]  # fmt: skip
    return f" {'; '.join(notes)}." if notes else ""


def before(found: Found, metric: str) -> list[float]:
    """Of the models that nothing was done to."""
    return [value for each in found.before.values() if (value := value_before(each, metric)) is not None]


def further_table(found: Sequence[Found]) -> Table:
    """What the model says, what gives it away, what it still can, and what comes back."""
    rows = []
    for one in found:
        rows.append([f"{one.objective}, {BEFORE}", *(spread(before(one, metric)) for metric in REREAD)])
        for arm in one.conditions:
            cells = [spread(list(one.values(arm, metric).values())) for metric in REREAD]
            rows.append([f"{one.objective}, {arm}", *cells])
    head = ["Objective, arm", "Skill", "ROUGE-L, forget", "ROUGE-L, retain", "Membership AUC", "TPR at 1 % FPR",
            "Relearnt, above twins", "of it gained", "After unrelated training, above twins", "of it gained",
            "The same, as said"]  # fmt: skip
    return Table(head, rows, "At the kept point, means ± sd over seeds.")


def ratio_table(shares: Shares) -> Table:
    """What becomes of a share of the forget set, and of the rest of it."""
    rows = []
    for ratio, several in shares.items():
        for arm in BY_RATIO:
            there = [each["arms"][arm] for each in several if arm in each["arms"] and "absent" not in each["arms"][arm]]
            if there:
                values = lambda metric, there=there: [v for run in there if (v := value_of(run, metric)) is not None]
                rest = [run["points"][run["kept"]]["measures"].get(REST, {}).get("exact") for run in there]
                rows.append([
                    f"{100 * ratio:g} %, {condition(arm)}", str(len(there)),
                    str(several[0]["rows"]), percents(values("share")),
                    *(spread(values(m)) for m in (*THREE, "distance")),
                    spread([value for value in rest if value is not None]),
                ])  # fmt: skip
    head = ["Share, arm", "Seeds", "Rows", "Weights in the masks", *THREE, "Distance", "The rest is answered"]
    return Table(head, rows, "At the kept point, means ± sd over seeds; one draw of random nodes.")


def pilot_table(
    losses: Mapping[tuple[str, str], Sequence[float | None]],
    rates: Mapping[str, Mapping[str, float]],
    tried: Sequence[float],
) -> Table:
    """Every trial of a learning rate, by objective and arm; the chosen one is marked."""
    rows = []
    for (objective, arm), several in losses.items():
        chosen = rates.get(objective, {}).get(arm)
        cells = [number(loss) + " *" * (rate == chosen) for rate, loss in zip(tried, several)]
        rows.append([f"{objective}, {arm}", *cells])
    told = "Distance to never-known (in level) on the pilot seed by rate, above 1 where no epoch keeps the utility; "
    return Table(["Objective, arm", *(f"{rate:g}" for rate in tried)], rows, f"{told}* is chosen.")


def end_table(found: Sequence[Found]) -> Table:
    """The same after the last epoch, as the paper reads it."""
    rows = []
    for one in found:
        for arm in one.conditions:
            last = [spread(list(one.values(arm, f"{m} at the end").values())) for m in THREE]
            further = [spread(list(one.values(arm, m).values())) for m in ("AUES",)]
            rows.append([f"{one.objective}, {arm}", *last, *further])
    return Table(["Objective, arm", *THREE, "AUES"], rows, "After the last epoch; AUES over all epochs.")


def compared_table(several: Mapping[str, Sequence[Comparison]], metrics: Sequence[str] = TESTED) -> Table:
    """CLUE minus each arm, by metric."""
    names = dict.fromkeys((c.objective, c.arm) for each in several.values() for c in each)
    rows = []
    for objective, arm in names:
        row = [f"{objective}, {arm}"]
        for metric in metrics:
            one = next((c for c in several[metric] if (c.objective, c.arm) == (objective, arm)), None)
            row.append("–" if one is None else f"{signed(one.found.difference)} ({number(one.holm)}, {one.finding})")
        rows.append(row)
    return Table(["CLUE minus …", *metrics], rows, "Difference (p after Holm's correction over a column, finding).")


def exact_table(several: Sequence[Comparison], metric: str) -> Table:
    """One metric with all that belongs to a test."""
    rows = ((f"{each.objective}, {each.arm}", each) for each in several)
    heads = ("CLUE against …", "CLUE", "the other")
    return judged_table(rows, heads, f"{metric[0].upper()}{metric[1:]}.", equivalence=True)


def percents(shares: Sequence[float]) -> str:
    return f"{spread([100 * share for share in shares], '{:.1f}')} %" if shares else "–"
