"""The tables of the report."""

from collections.abc import Sequence
from statistics import fmean

from expunge.config import FrequencyStudyConfig
from expunge.report.numbers import number, percent
from expunge.studies.compared import Compared, judged_table
from expunge.studies.frequency.arms import UNIFORM
from expunge.studies.frequency.comparing import GAPS, Cells, Chosen, gaps_of, halves_of, misaligned
from expunge.studies.frequency.scene import NEIGHBOURS, QUESTION, TEST, asked
from expunge.studies.page import Table
from expunge.studies.spread import spread

_TESTS = {"likely": "level of 1/2", "choice": "right against wrong"}


def compared_table(several: Sequence[Compared], first: str, second: str, caption: str) -> Table:
    """A row a comparison, with its tests."""
    return judged_table(((each.name, each) for each in several), ("Comparison", first, second), caption)


def steps_table(found: Cells, config: FrequencyStudyConfig) -> Table:
    """When half of what was said is gone, bucket by bucket."""
    some = next(iter(found.values()))[0].arm()
    rows = []
    for (size, method), several in found.items():
        for form in several[0].arm().forms:
            row = [f"{method}, {size}, {asked(form, config.suite)}"]
            for bucket in some.buckets:
                steps, never = halves_of(several, form, bucket)
                row.append(spread(steps, "{:.1f}") + (f" (never: {never} of {len(several)})" if never else ""))
            rows.append(row)
    head = ["Method, size, form", *some.buckets]
    return Table(head, rows, "Steps until half of the facts that were said before are no longer said, means ± sd.")


def known_table(found: Cells, form: str, config: FrequencyStudyConfig) -> Table:
    """What the models know before."""
    some = next(iter(found.values()))[0]
    rows = []
    sizes = {size: several for (size, _), several in found.items()}
    for size, several in sizes.items():
        start = [cell.arm().points[0]["measures"][form] for cell in several]
        never = [cell.result["never"][form] for cell in several]
        for name, measure, source in (
            ("said", "said", start),
            ("level", "level", start),
            ("never-known", "level", never),
        ):
            values = [spread([each[bucket][measure] for each in source]) for bucket in some.arm().buckets]
            rows.append([f"{size}, {name}", *values])
    return Table([f"Before, {asked(form, config.suite)}", *spans(some.result["buckets"])], rows)


def spans(buckets: Sequence[dict]) -> list[str]:
    """Each bucket with what it holds."""
    ends = lambda b: f"{b['least']:g}" if b["least"] == b["most"] else f"{b['least']:g} to {b['most']:g}"
    return [f"{each['name']} ({ends(each)}; {each['n']} facts)" for each in buckets]


def kept_table(found: Cells, config: FrequencyStudyConfig) -> Table:
    """What unlearning keeps of each bucket at the point that it chooses itself, and what it costs."""
    some = next(iter(found.values()))[0].arm()
    beside = NEIGHBOURS in some.points[0]["measures"]
    rows = []
    for (size, method), several in found.items():
        at = [(cell.arm(), cell.arm().by_rule(config.utility_floor)) for cell in several]
        for form in some.forms:
            name = f"{method}, {size}, {asked(form, config.suite)}"
            shares = [arm.shares(point, form) for arm, point in at]
            said = [[left for _, point in at if (left := point["measures"][form][b].get("left")) is not None]
                    for b in some.buckets]  # fmt: skip
            rows.append([
                f"{name}, level", *(spread([each[b] for each in shares if b in each]) for b in some.buckets),
                spread([arm.overshoot(point, form, some.buckets[0]) for arm, point in at]),
                percent(fmean(arm.kept(point, TEST) for arm, point in at)),
                *([_neighbours(at, bucket) for bucket in some.buckets] if beside else []),
            ])  # fmt: skip
            rows.append([f"{name}, said", *map(spread, said), *[""] * (len(rows[-1]) - 1 - len(said))])
    costs = [f"Neighbours kept, {bucket}" for bucket in some.buckets] if beside else []
    head = ["Method, size, form", *(f"Left, {b}" for b in some.buckets), "Rarest beyond never-known, nats",
            "Retained kept", *costs]  # fmt: skip
    return Table(head, rows, "At the checkpoint that unlearning keeps: what is left, by level of the way from "
                 "never-known to the start (below 0: over-forgotten), by what is said of what was said before; and "
                 "what of other facts is kept.")  # fmt: skip


def _neighbours(at: Sequence[tuple], bucket: str) -> str:
    level = lambda point: point["measures"][NEIGHBOURS][bucket]["level"]
    return percent(fmean(level(point) / level(arm.points[0]) for arm, point in at))


def misaligned_table(found: Cells, config: FrequencyStudyConfig) -> Table:
    rows = []
    for (size, method), several in found.items():
        for form in several[0].arm().forms:
            for test, title in _TESTS.items():
                told = list(misaligned(config, several, form, test))
                if told:
                    values = [spread([each[name] for each in told]) for name in ("said", "test", "M", "D")]
                    rows.append([f"{method}, {size}, {asked(form, config.suite)}", title, str(len(told)), *values])
    head = ["Method, size, form", "Test of probability", "Seeds", "Gone by what is said", "Gone by the test", "M", "D"]
    return Table(head, rows, "At the checkpoint that unlearning keeps, over facts that passed both tests before.")


def forms_table(chosen: Sequence[Chosen]) -> Table:
    """Residuals of every form: on the seeds that chose, and on the others."""
    rows = [
        [f"{each.method}, {each.size}: {name}", number(each.selecting[name]), spread(each.tested[name]),
         "chosen" if name == each.form else ""]
        for each in chosen for name in each.tested
    ]  # fmt: skip
    head = ["Method, size: form", "Residual, choosing", "Residual, testing", ""]
    return Table(head, rows)


def gaps_table(chosen: Sequence[Chosen], config: FrequencyStudyConfig) -> Table:
    """At those points: the most frequent bucket minus the rarest, and what is kept of other facts."""
    forms, rows = chosen[0].cells[0].arm().forms, []
    kinds = [(form, measure) for form in forms for measure in GAPS]
    for each in chosen:
        for name in (UNIFORM, each.form):
            at = [(arm, arm.chosen(config.utility_floor)) for arm in (cell.arm(name) for cell in each.cells)]
            gaps = [[*gaps_of(config, each, name, *kind).values()] for kind in kinds]
            beyond = [arm.overshoot(point, QUESTION, arm.buckets[0]) for arm, point in at]
            beside = [arm.kept(p, NEIGHBOURS) for arm, p in at if NEIGHBOURS in p["measures"]]
            rows.append([
                f"{each.method}, {each.size}: {name}", spread([p["step"] for _, p in at], "{:.0f}"),
                *map(spread, gaps), spread(beyond),
                percent(fmean(arm.kept(p) for arm, p in at)), percent(fmean(beside)) if beside else "–",
            ])  # fmt: skip
    told = [f"Frequent minus rare, {asked(form, config.suite)}, {GAPS[measure]}" for form, measure in kinds]
    head = ["Method, size: arm", "Step", *told,
            "Rarest beyond never-known, nats", "Retained kept", "Neighbours kept"]  # fmt: skip
    return Table(head, rows, "At those points, on the seeds that test.")
