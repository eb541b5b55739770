"""Numbers and texts as people read them: the same everywhere in a report."""

from collections.abc import Sequence
from math import isfinite

from expunge.record import Measured

_TURNING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\ufffd")  # of writing direction
_CONTROLS = _TURNING | {c: chr(0x2400 + c) for c in range(32) if chr(c) not in "\n\t"} | {127: "\u2421"}


def number(value: float | None) -> str:
    """Three digits that matter.

    >>> [number(x) for x in (0.98765, 0.9996, 12.3456, 1234.5, 0.00001234, 0, 1.0, None)]
    ['0.988', '1.00', '12.3', '1,234', '1.2e-05', '0', '1', '–']
    """
    if value is None or not isfinite(value):
        return "–"
    size = abs(value)
    if value == int(value) and size < 1e15:
        return f"{int(value):,}"
    if size < 0.0005 or size >= 1e7:
        return f"{value:.1e}"
    # what rounds up to one digit more before the point has one less behind it
    return f"{value:,.0f}" if size >= 999.95 else f"{value:.{1 if size >= 9.995 else 2 if size >= 0.9995 else 3}f}"


def signed(value: float | None) -> str:
    """A difference.

    >>> [signed(x) for x in (0.25, -0.031, 0, None)]
    ['+0.250', '-0.031', '0', '–']
    """
    return f"+{number(value)}" if value is not None and value > 0 else number(value)


def tick(value: float) -> str:
    """On an axis: no more digits than needed.

    >>> [tick(x) for x in (0.30000000000000004, 1.0, 20.0, 1500.0)]
    ['0.3', '1', '20', '1,500']
    """
    return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:.2g}"


def percent(share: float) -> str:
    """Never rounded up to everything or down to nothing.

    >>> [percent(x) for x in (0.5, 0.9999, 1.0, 0.0004, 0.0, 0.0123, -0.0004)]
    ['50 %', '> 99.9 %', '100 %', '< 0.1 %', '0 %', '1.2 %', '> -0.1 %']
    """
    if -0.001 < share < 0:
        return "> -0.1 %"
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{100 * share:.1f}".removesuffix(".0") + " %"


def is_count(measured: Measured) -> bool:
    """A share of examples, each of which is in or out."""
    return measured.unit == "examples" and bool(measured.per_example)


def measured(m: Measured) -> str:
    """The value with its unit, counted out where it is a count."""
    if is_count(m):
        return f"{int(sum(v or 0 for v in m.per_example))} of {m.n}"
    return f"{number(m.value)} {m.unit}".strip()


def interval(m: Measured) -> str:
    """The interval in brackets, "" where there is none."""
    if m.interval is None:
        return ""
    low, high = m.interval
    if is_count(m) and low is not None and high is not None:
        return f"[{percent(low).removesuffix(' %')}, {percent(high)}]"
    return f"[{number(low)}, {number(high)}]"


def duration(seconds: float) -> str:
    """
    >>> [duration(x) for x in (0.25, 42.4, 125, 7380)]
    ['0.2 s', '42 s', '2 min 5 s', '2 h 3 min']
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def size(count: int) -> str:
    """Bytes.

    >>> size(1_500_000_000), size(2_000_000)
    ('1.40 GiB', '2 MiB')
    """
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def clean(text: str) -> str:
    """Control characters, which HTML forbids and terminals obey, as visible signs; the rest as it is."""
    return text.translate(_CONTROLS)


def short(text: str, length: int = 400) -> str:
    """At most so many characters, with a sign where there was more."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def listed(words: Sequence[str]) -> str:
    """
    >>> listed([]), listed(["a"]), listed(["a", "b", "c"])
    ('', 'a', 'a, b and c')
    """
    return "".join(words) if len(words) < 2 else ", ".join(words[:-1]) + " and " + words[-1]
