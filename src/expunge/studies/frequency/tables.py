"""The tables of the report, but for those of forms (`form_tables.py`)."""

from collections.abc import Sequence
from math import exp, isinf
from statistics import fmean, median

from expunge.config import FrequencyStudyConfig
from expunge.report.numbers import number, percent
from expunge.studies.compared import Compared, judged_table
from expunge.studies.frequency.comparing import TITLES, Cells, Midway, midway
from expunge.studies.frequency.outcomes import Cell
from expunge.studies.frequency.rates import Trial
from expunge.studies.frequency.scene import NEIGHBOURS, TEST, asked
from expunge.studies.page import Table
from expunge.studies.spread import spread


def compared_table(several: Sequence[Compared], first: str, second: str, caption: str, *, tested: bool) -> Table:
    """A row a comparison, with its tests, that of equivalence among them."""
    named, heads = ((each.name, each) for each in several), ("Comparison", first, second)
    return judged_table(named, heads, caption, equivalence=True, tested=tested)


def ratios_table(several: Sequence[Compared], first: str, second: str, caption: str, *, tested: bool) -> Table:
    """The same of logarithms, told as numbers of steps (geometric means over seeds) and their ratio."""
    if not tested:
        rows = [
            [each.name, str(each.found.n), *(number(exp(mean)) for mean in each.found.means), ratio_of(each)]
            for each in several
        ]
        return Table(["Comparison", "Seeds", first, second, "Ratio (one sd)"], rows, caption)
    head = ["Comparison", "Seeds", first, second, "Ratio", "95 %", "t p", "Sign-flip p", "Holm", "TOST p", "TOST Holm",
            "Detectable ratio", "Finding"]  # fmt: skip
    return Table(head, [_ratio(each) for each in several], caption)


def ratio_of(each: Compared) -> str:
    """Of numbers of steps, and where it lies a standard deviation over seeds lower and higher."""
    low, middle, high = (exp(each.found.difference + way * each.found.sd) for way in (-1, 0, 1))
    return f"{number(middle)} ({number(low)} to {number(high)})"


def _ratio(each: Compared) -> list[str]:
    found = each.found
    low, high = map(exp, found.interval) if found.interval else (None, None)
    return [
        each.name, str(found.n), *(number(exp(mean)) for mean in found.means), number(exp(found.difference)),
        "–" if low is None else f"{number(low)} to {number(high)}", number(found.t_p), number(found.permutation_p),
        number(each.holm), number(found.tost_p), number(each.tost_holm),
        "–" if found.detectable is None else number(exp(found.detectable)), each.finding,
    ]  # fmt: skip


def pilots_table(several: Sequence[Trial], rates: dict[str, float]) -> Table:
    """What every rate left on the pilot seed."""
    tried = sorted({each.rate for each in several})
    found = {(each.method, each.rate): each for each in several}
    rows = []
    for method in dict.fromkeys(each.method for each in several):
        told = [_tried(found[method, rate], rates.get(method)) if (method, rate) in found else "" for rate in tried]
        rows.append([method, *told])
    return Table(["Residual of", *(f"{rate:g}" for rate in tried)], rows, "Every learning rate on the pilot seed.")


def _tried(trial: Trial, chosen: float | None) -> str:
    marks = [*(["floor never held"] if not trial.held else []), *(["chosen"] if trial.rate == chosen else [])]
    return number(trial.residual) + (f" ({', '.join(marks)})" if marks else "")


def steps_table(found: Cells, config: FrequencyStudyConfig) -> Table:
    """How long what was said before still is, bucket by bucket."""
    some = next(iter(found.values()))[0].arm()
    rows = []
    for (size, method), several in found.items():
        for form in several[0].arm().forms:
            name = f"{method}, {size}, {asked(form, config.suite)}"
            means = [[s for cell in several if (s := cell.arm().until(form, b, config.steps)) is not None]
                     for b in some.buckets]  # fmt: skip
            rows.append([f"{name}, mean", *(spread(each, "{:.1f}") for each in means)])
            rows.append([f"{name}, half", *(half(several, form, bucket, config.steps) for bucket in some.buckets)])
    return Table(
        ["Method, size, form", *some.buckets], rows,
        f"Steps for which a fact that was said before still is, {config.steps} at most, means over facts ± sd over "
        "seeds; and the step at which half of them are no longer said, the median over seeds.",
    )  # fmt: skip


def half(several: Sequence[Cell], form: str, bucket: str, steps: int) -> str:
    """The median, and apart from it in how many seeds half never went, and in how many there was too little to go."""
    found = [cell.arm().half(form, bucket) for cell in several]
    known = [each for each in found if each is not None]
    if not known:
        return "–"
    middle, never, few = median(known), sum(map(isinf, known)), len(found) - len(known)
    told = [f"never in {never} of {len(known)}"] if never else []
    told += [f"too few said before in {few}"] if few else []
    return (f">{steps}" if isinf(middle) else f"{middle:.1f}") + (f" ({'; '.join(told)})" if told else "")


def known_table(found: Cells, form: str, config: FrequencyStudyConfig) -> Table:
    """What the models know before."""
    some = next(iter(found.values()))[0]
    names, rows = some.arm().buckets, []
    sizes = {size: several for (size, _), several in found.items()}
    for size, several in sizes.items():
        start = [cell.arm().start[form] for cell in several]
        never = [cell.result["never"][form] for cell in several]
        for name, measure, source in (
            ("said", "said", start),
            ("level", "level", start),
            ("never-known", "level", never),
        ):
            rows.append([f"{size}, {name}", *(spread([each[b][measure] for each in source]) for b in names)])
        said = [spread([cell.arm().said_before(form, b) for cell in several], "{:.1f}") for b in names]
        rows.append([f"{size}, said before, facts", *said])
    return Table([f"Before, {asked(form, config.suite)}", *spans(some.result["buckets"])], rows)


def spans(buckets: Sequence[dict]) -> list[str]:
    """Each bucket with what it holds."""
    ends = lambda b: f"{b['least']:g}" if b["least"] == b["most"] else f"{b['least']:g} to {b['most']:g}"
    return [f"{each['name']} ({ends(each)}; {each['n']} facts)" for each in buckets]


def kept_table(found: Cells, config: FrequencyStudyConfig) -> Table:
    """What unlearning keeps of each bucket at the point that it chooses itself, and what it costs."""
    some = next(iter(found.values()))[0]
    buckets, beside = some.arm().buckets, some.has_neighbours
    rows = []
    for (size, method), several in found.items():
        at = [(cell.arm(), cell.arm().by_rule(config.utility_floor)) for cell in several]
        for form in some.arm().forms:
            name = f"{method}, {size}, {asked(form, config.suite)}"
            shares = [arm.shares(point, form) for arm, point in at]
            said = [[left for arm, point in at if (left := arm.left(point, form, b)) is not None] for b in buckets]
            rows.append([
                f"{name}, level", *(spread([each[b] for each in shares if b in each]) for b in buckets),
                spread([arm.overshoot(point, form, buckets[0]) for arm, point in at]),
                percent(fmean(arm.kept(point, TEST) for arm, point in at)),
                *([_neighbours(at, bucket) for bucket in buckets] if beside else []),
            ])  # fmt: skip
            rows.append([f"{name}, said", *map(spread, said), *[""] * (len(rows[-1]) - 1 - len(said))])
    costs = [f"Neighbours kept, {bucket}" for bucket in buckets] if beside else []
    head = ["Method, size, form", *(f"Left, {b}" for b in buckets), "Rarest beyond never-known, nats",
            "Retained kept", *costs]  # fmt: skip
    return Table(head, rows, "At the checkpoint that unlearning keeps: what is left, by level of the way from "
                 "never-known to the start (below 0: over-forgotten), by what is said of what was said before; and "
                 "what of other facts is kept.")  # fmt: skip


def _neighbours(at: Sequence[tuple], bucket: str) -> str:
    """Of the persons of a bucket; those that are measured are a sample, which may have none of them."""
    levels = [[p["measures"][NEIGHBOURS].get(bucket, {}).get("level") for p in (point, arm.points[0])]
              for arm, point in at]  # fmt: skip
    shares = [now / before for now, before in levels if now is not None and before]
    return percent(fmean(shares)) if shares else "–"


def misaligned_table(found: Cells, config: FrequencyStudyConfig) -> Table:
    """M and D when half is forgotten."""
    rows = []
    for (size, method), several in found.items():
        for form in several[0].arm().forms:
            for test, title in TITLES.items():
                if told := list(midway(config, several, form, test)):
                    rows.append([f"{method}, {size}, {asked(form, config.suite)}", title, *_midway(told)])
    head = ["Method, size, form", "Test of probability", "Seeds", "Facts", "Still said", "Floor held in",
            "Gone by what is said", "Gone by the test", "Said − test", "M", "D", "ρ"]  # fmt: skip
    return Table(head, rows, "At the point whose share still said is nearest to 1/2, over facts that passed both tests "
                 "before.")  # fmt: skip


def _midway(told: Sequence[Midway]) -> list[str]:
    names = ("said", "test", "said - test", "M", "D")
    ranks = [each.told["rho"] for each in told if "rho" in each.told]
    return [
        str(len(told)), spread([each["n"] for each in told], "{:.0f}"), spread([each.still for each in told]),
        f"{sum(each.held for each in told)} of {len(told)}",
        *(spread([each[name] for each in told]) for name in names), spread(ranks),
    ]  # fmt: skip
