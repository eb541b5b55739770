"""The leaderboard: what each method reached over its final runs. Nobody is hidden: who failed stands at its end."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev

from expunge.bench.cells import Contender
from expunge.bench.table import Row
from expunge.report.markdown import inline
from expunge.report.numbers import percent, size

STRICT = 0.99  # utility kept that the headline names beside the floor
RATE, SHARE = "never-knew rate", "share of quick cells passed"


@dataclass(frozen=True)
class Spread:
    """Mean over seeds and sample standard deviation (0 for one seed)."""

    mean: float
    sd: float
    n: int

    @staticmethod
    def of(values: Iterable[float | None]) -> "Spread | None":
        found = [value for value in values if value is not None]
        return Spread(fmean(found), stdev(found) if len(found) > 1 else 0.0, len(found)) if found else None


@dataclass(frozen=True)
class Standing:
    """One line. None: not known."""

    contender: Contender
    seeds: int  # final runs that were to be made
    done: int  # of them, run and audited
    rate: Spread | None  # the never-knew rate
    ceiling: float | None  # the same of a retrained model
    passed: Spread | None  # share of informative cells of the first audit
    utility_kept: Spread | None  # of the retain set
    utility_worst: Spread | None  # of the set that lost most
    at_floor: int  # runs that kept the floor of the retain set
    at_strict: int  # runs that kept 99 % of it
    seconds: Spread | None  # of training
    audit_seconds: Spread | None
    peak_memory: int | None
    settings: str | None  # of the final runs, JSON
    holds: bool  # the floor, on average
    problems: tuple[str, ...]  # what went wrong, in words
    rate_name: str = RATE
    not_headline: tuple[str, ...] = ()  # why the rate is none, of any of its runs

    @property
    def failed(self) -> bool:
        return self.done == 0

    @property
    def ranked(self) -> bool:
        return self.holds and not self.failed

    @property
    def score(self) -> Spread | None:
        """What it is ranked by among its like: the rate, where there is one."""
        return self.rate or self.passed


def standings(rows: Sequence[Row], floor: float) -> dict[str, list[Standing]]:
    """Suite → methods: those that keep the floor first, then by never-knew rate, then by the share of cells passed."""
    groups: dict[Contender, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.contender, []).append(row)
    suites: dict[str, list[Standing]] = {}
    for contender, own in groups.items():
        suites.setdefault(contender.suite, []).append(_standing(contender, own, floor))
    return {suite: sorted(found, key=_order) for suite, found in suites.items()}


def _standing(contender: Contender, rows: Sequence[Row], floor: float) -> Standing:
    finals = [row for row in rows if row.role == "final"]
    done = [row for row in finals if row.audit_status == "done"]
    of: Callable[[str], Spread | None] = lambda name: Spread.of(getattr(row, name) for row in done)
    kept = of("utility_kept") or of("utility")
    ceilings = [row.ceiling for row in done if row.ceiling is not None]
    peaks = [row.peak_memory for row in done if row.peak_memory]
    return Standing(
        contender, len(finals), len(done), of("rate"), ceilings[0] if ceilings else None,
        of("passed_share"), kept, of("utility_worst"), _at_least(done, floor), _at_least(done, STRICT),
        of("seconds_training"), of("seconds_audit"), max(peaks) if peaks else None, done[0].settings if done else None,
        kept is None or kept.mean >= floor, tuple(_problems(rows)),
        next((row.rate_name for row in done if row.rate_name), RATE),
        tuple(dict.fromkeys(row.not_headline for row in done if row.not_headline)),
    )  # fmt: skip


def _at_least(rows: Sequence[Row], share: float) -> int:
    return sum(row.utility_kept is not None and row.utility_kept >= share for row in rows)


def _order(standing: Standing) -> tuple[bool, bool, bool, float]:
    score = standing.score
    return (standing.failed, not standing.holds, standing.rate is None, -score.mean if score else 0.0)


def _problems(rows: Sequence[Row]) -> Iterable[str]:
    trials = [row for row in rows if row.role == "tuning"]
    diverged = sum(row.status == "diverged" for row in trials)
    if diverged:
        yield (
            "every tuning trial diverged" if diverged == len(trials) else f"{diverged} of {len(trials)} trials diverged"
        )
    for row in rows:
        what = f"{'trial' if row.role == 'tuning' else 'seed'} {row.number}"
        if row.status == "failed" or (row.status == "diverged" and row.role == "final"):
            yield f"{what} {row.status}: {row.reason}"
        elif "failed" in (row.audit_status, row.full_status):
            yield f"the audit of {what} failed: {row.reason}"
    if waiting := sum(_waits(row) for row in rows):
        yield f"{waiting} cells were not run"


def _waits(row: Row) -> bool:
    return row.status == "waiting" or (row.status == "done" and row.audit_status == "waiting")


HEAD = (
    "", "method", "never-knew rate", "ceiling", "quick cells passed", "utility kept", "worst set", "runs at the floor",
    "runs ≥ 99 %", "training", "audit", "memory", "remarks",
)  # fmt: skip


def lines(found: Sequence[Standing]) -> list[list[str]]:
    """The cells of the table, under HEAD. A method below the floor, or that failed, has no rank."""
    table, rank = [], 0
    for s in found:
        rank += s.ranked
        ceiling = "–" if s.ceiling is None else f"{s.ceiling:.2f}"
        table.append([
            str(rank) if s.ranked else "", s.contender.label, spread(s.rate), ceiling, spread(s.passed),
            spread(s.utility_kept, "{:.1f}", " %", 100), spread(s.utility_worst, "{:.1f}", " %", 100),
            f"{s.at_floor} of {s.seeds}", f"{s.at_strict} of {s.seeds}",
            spread(s.seconds, "{:.1f}", " s"), spread(s.audit_seconds, "{:.1f}", " s"),
            size(s.peak_memory) if s.peak_memory else "–", "; ".join(s.problems) or "–",
        ])  # fmt: skip
    return table


def spread(value: Spread | None, form: str = "{:.2f}", unit: str = "", times: float = 1) -> str:
    """Mean ± standard deviation; with one run the mean.

    >>> spread(Spread(0.5, 0.125, 3)), spread(Spread(0.5, 0.0, 1), "{:.1f}", " %", 100)
    ('0.50 ± 0.12', '50.0 %')
    """
    if value is None:
        return "–"
    mean, sd = form.format(times * value.mean), form.format(times * value.sd)
    return f"{mean} ± {sd}{unit}" if value.n > 1 else f"{mean}{unit}"


def caption(found: Sequence[Standing], floor: float) -> str:
    """How to read the table."""
    name = next((s.rate_name for s in found if s.rate), RATE)
    rates = f"Sorted by {name}" if any(s.rate for s in found) else f"No rate, which needs the full panel: by {SHARE}"
    seeds = found[0].seeds
    if reasons := dict.fromkeys(reason for s in found for reason in s.not_headline):
        rates += f" (not a headline: {'; '.join(reasons)})"
    return (
        f"{rates}; mean ± standard deviation over {seeds} seed{'s' * (seeds != 1)}. The goal is the ceiling, the rate "
        "of a retrained model that is left out. Utility kept is that of the retain set, which methods are told "
        "to keep; beside it stands that of the set that lost most, neighbours and what follows from what was forgotten "
        f"among them. Methods that keep less than {percent(floor)} of the retain set on average have no rank and stand "
        "below those that do."
    )


def dates(rows: Sequence[Row]) -> str:
    """The days of the final runs."""
    days = sorted({row.started[:10] for row in rows if row.started and row.role == "final"})
    return "" if not days else days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def to_markdown(rows: Sequence[Row], floor: float) -> str:
    """The leaderboard of every suite, and once more only those that keep 99 %."""
    parts = ["# Leaderboard", dates(rows)]
    for suite, found in standings(rows, floor).items():
        parts += [f"## {inline(suite)}", inline(caption(found, floor)), _table(lines(found))]
        strict = [s for s in found if s.utility_kept and s.utility_kept.mean >= STRICT]
        if strict:
            parts += [f"Of these keep at least {percent(STRICT)} of the utility:", _table(lines(strict))]
        else:
            parts.append(f"None keeps {percent(STRICT)} of the utility.")
    return "\n\n".join(part for part in parts if part) + "\n"


def to_json(rows: Sequence[Row], floor: float) -> dict[str, object]:
    return {
        "format": "expunge-leaderboard", "schema_version": 1, "date": dates(rows), "utility_floor": floor,
        "suites": {suite: [_entry(s) for s in found] for suite, found in standings(rows, floor).items()},
    }  # fmt: skip


def _entry(standing: Standing) -> dict[str, object]:
    entry = asdict(standing)
    return {**entry.pop("contender"), **entry, "failed": standing.failed}


def _table(rows: Sequence[Sequence[str]]) -> str:
    shown = [[inline(cell) for cell in row] for row in (HEAD, *rows)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (shown[0], ["---"] * len(HEAD), *shown[1:]))
