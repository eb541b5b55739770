"""An audit by frequency: the table of its cells bucket by bucket, pictures of the two that matter, M and D.

Pictures are of one judgement by what is generated and one by probability; across stand the buckets, from rare to
frequent, up the knowledge of each model with its 95 % interval.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from expunge.record_strata import InBucket, Interval, Misaligned, Slope, Strata, StratifiedCell, Stratum
from expunge.report.audits.bars import CONTROL, ORIGINAL, UNLEARNED
from expunge.report.audits.view import Audited
from expunge.report.numbers import number, signed, tick
from expunge.report.svg import Scale, colour, line, mark, path, picture, text
from expunge.report.tables import metric_title

SHOWN = ("generated_contains", "probability")
WIDTH, HEIGHT = 300.0, 176.0
LEFT, RIGHT, TOP, BOTTOM = 34.0, 12.0, 10.0, 40.0
_MODELS = (("original", ORIGINAL), ("control", CONTROL), ("unlearned", UNLEARNED))
MISALIGNED_HEAD = (
    "Probability test",
    "Facts",
    "n",
    "Gone by generation",
    "Gone by probability",
    "M",
    "D",
    "Rank correlation of what is lost",
    "φ of what is gone",
)


@dataclass(frozen=True)
class Row:
    """One cell: its excess in each bucket, with what the unlearned model knows there, and the slopes."""

    title: str
    family: str
    values: tuple[tuple[str, str], ...]  # number, and what stands small below it
    original: tuple[str, str]
    residual: tuple[str, str]

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """As `Shown.head`, after the title."""
        return (*self.values, self.residual, self.original)


@dataclass(frozen=True)
class Shown:
    """One set."""

    set: str
    head: tuple[str, ...]
    rows: tuple[Row, ...]
    drawn: tuple[tuple[str, Markup], ...]
    said: str


def strata(audited: Audited) -> list[Shown]:
    """Of the sets that have counts; empty for others."""
    return [_shown(audited, each) for each in audited.audit.strata]


def misaligned(audited: Audited) -> list[tuple[str, ...]]:
    """Under MISALIGNED_HEAD."""
    return [_misaligned(audited, each) for each in audited.audit.misaligned]


def counted(bucket: Stratum, by: str = "count") -> str:
    """The bucket's counts (or values of a proxy) in words.

    >>> counted(Stratum(name="low", n=3, least=1, most=9))
    '1 to 9 times'
    """
    if bucket.least is None or bucket.most is None:
        return bucket.name
    span = number(bucket.least) if bucket.least == bucket.most else f"{number(bucket.least)} to {number(bucket.most)}"
    return f"{span} time{'s' * (bucket.most != 1)}" if by == "count" else f"{by} {span}"


def drawing(cell: StratifiedCell, buckets: tuple[Stratum, ...], title: str, by: str = "count") -> Markup:
    """The knowledge of each model in each bucket that has counts."""
    pairs = [(b, v) for b, v in zip(buckets, cell.values, strict=True) if b.least is not None and v.n]
    x, y = Scale(-0.5, len(pairs) - 0.5, LEFT, WIDTH - RIGHT), Scale(0, 1, HEIGHT - BOTTOM, TOP)
    parts = []
    for at in (0, 0.5, 1):
        parts.append(line(LEFT, y(at), WIDTH - RIGHT, y(at), "axis" if at == 0 else "grid"))
        parts.append(text(LEFT - 6, y(at) + 3.5, tick(at), "end", "tick"))
    for place, (bucket, _) in enumerate(pairs):
        parts.append(text(x(place), HEIGHT - BOTTOM + 14, counted(bucket).rpartition(" ")[0], "middle", "tick"))
    across = "times in the corpus" if by == "count" else f"{by}, a proxy of frequency"
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, across, "middle", "label"))
    for label, model in _MODELS:
        parts += _line(label, model, [value for _, value in pairs], x, y)
    told = [f"{counted(b, by)}: {', '.join(f'{label} {number(k)}' for label, k in v.k.items())}" for b, v in pairs]
    return picture(WIDTH, HEIGHT, f"{title} by frequency", "; ".join(told), parts)


def _line(label: str, model: int, values: list[InBucket], x: Scale, y: Scale) -> Iterable[Markup]:
    shift = {ORIGINAL: -0.06, CONTROL: 0.0, UNLEARNED: 0.06}[model]  # so that whiskers do not hide one another
    there = [
        (x(i + shift), k, v.intervals.get(label)) for i, v in enumerate(values) if (k := v.k.get(label)) is not None
    ]
    if len(there) > 1:
        yield path([(at, y(k)) for at, k, _ in there], f"ecdf {label}", colour(model))
    for at, k, interval in there:
        if interval is not None and interval[0] is not None and interval[1] is not None:
            yield line(at, y(interval[0]), at, y(interval[1]), "span", colour(model))
        yield mark(at, y(k), model, f"{label}: {number(k)}", hollow=model == ORIGINAL)


def _shown(audited: Audited, found: Strata) -> Shown:
    spans = (f"{counted(b, found.by)}, {number(b.n)} facts" for b in found.buckets)
    head = ("Cell", *spans, "Slope, left", "Slope, original")
    pictures = [
        (title, drawing(cell, found.buckets, title, found.by))
        for name in SHOWN for cell in found.cells if cell.name == name
        for title in (_title(audited, cell),)
    ]  # fmt: skip
    rows = tuple(_row(audited, cell) for cell in found.cells)
    return Shown(found.set, head, rows, tuple(pictures), _said(found))


def _said(found: Strata) -> str:
    """How many cells keep more of frequent facts than chance would."""
    known = [cell.residual.interval for cell in found.cells if cell.residual.interval is not None]
    up = sum(low is not None and low > 0 for low, _ in known)
    down = sum(high is not None and high < 0 for _, high in known)
    if not known:
        return "No slope has an interval: there are too few groups."
    change = "with a tenfold count" if found.by == "count" else "from the rarest to the most frequent fact, by rank"
    return (
        f"Slopes: the change {change}. Of {len(known)} cells with a slope, {up} keep measurably more of frequent facts "
        f"than of rare ones, {down} measurably less."
    )


def _row(audited: Audited, cell: StratifiedCell) -> Row:
    return Row(
        _title(audited, cell), cell.family, tuple(_value(each) for each in cell.values), _slope(cell.original),
        _slope(cell.residual),
    )  # fmt: skip


def _value(value: InBucket) -> tuple[str, str]:
    if not value.n:
        return "–", ""
    if value.excess is None:
        return number(value.k.get("unlearned")), ""
    return signed(value.excess), " ".join(
        filter(None, (_interval(value.excess_interval), f"k {number(value.k.get('unlearned'))}"))
    )


def _slope(slope: Slope) -> tuple[str, str]:
    return ("–", "") if slope.value is None else (signed(slope.value), _interval(slope.interval))


def _interval(interval: Interval) -> str:
    return "" if interval is None else f"[{signed(interval[0])}, {signed(interval[1])}]"


def _title(audited: Audited, cell: StratifiedCell) -> str:
    return f"{metric_title([audited.record], cell.name)}{': ' if cell.part else ''}{cell.part}"


def _misaligned(audited: Audited, each: Misaligned) -> tuple[str, ...]:
    facts = each.set if not each.bucket else f"{each.set}, {each.bucket}"
    rates = (number(each.generation), number(each.probability))
    apart = ((each.M, each.M_interval), (each.D, each.D_interval), (each.correlation, each.correlation_interval))
    phi = "–" if each.phi is None else number(each.phi)
    numbers = (*rates, *(_with_interval(*pair) for pair in apart), phi)
    return (metric_title([audited.record], each.test), facts, number(each.n), *numbers)


def _with_interval(value: float | None, interval: Interval) -> str:
    if value is None:
        return "–"
    return number(value) if interval is None else f"{number(value)} [{number(interval[0])}, {number(interval[1])}]"
