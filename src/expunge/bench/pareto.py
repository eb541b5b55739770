"""The picture: forget quality across, utility kept up, a sign a method; the front joins those that no other beats."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from expunge.bench.leaderboard import RATE, SHARE, Spread, Standing
from expunge.report.numbers import number, percent
from expunge.report.svg import Scale, line, mark, path, picture, text
from expunge.report.trajectory import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, frame

GAP = 9.0  # between a sign and its number


@dataclass(frozen=True)
class Dot:
    """A method's place: means and standard deviations over seeds."""

    label: str
    number: int  # in the leaderboard, from 1
    quality: Spread
    utility: Spread


def dots(found: Sequence[Standing]) -> tuple[list[Dot], str]:
    """Those with both numbers, and what the quality is: the rate if anybody has one, else the share of cells passed.

    Beside rates a mere share of quick cells would not compare, so methods without a rate are left out then.
    """
    rated = any(s.rate for s in found)
    pairs = [(i + 1, s, s.rate if rated else s.passed) for i, s in enumerate(found)]
    placed = [Dot(s.contender.label, i, q, s.utility_kept) for i, s, q in pairs if q and s.utility_kept]
    return placed, RATE if rated else SHARE


def front(placed: Sequence[Dot]) -> list[Dot]:
    """Those that no other equals in one and beats in the other, from left to right."""

    def beaten(one: Dot) -> bool:
        here = (one.quality.mean, one.utility.mean)
        rest = [(other.quality.mean, other.utility.mean) for other in placed]
        return any(q >= here[0] and u >= here[1] and (q, u) != here for q, u in rest)

    return sorted((dot for dot in placed if not beaten(dot)), key=lambda dot: (dot.quality.mean, -dot.utility.mean))


def pareto(found: Sequence[Standing], floor: float) -> Markup:
    """The picture; "" where no method has both numbers."""
    placed, quality = dots(found)
    if not placed:
        return Markup("")
    ceiling = next((s.ceiling for s in found if s.ceiling is not None), None) if quality == RATE else None
    x = Scale.around([dot.quality.mean for dot in placed], LEFT, WIDTH - RIGHT, 0, 1)
    y = Scale.around([dot.utility.mean for dot in placed], HEIGHT - BOTTOM, TOP, 1, floor)
    parts = [*frame(x, y, quality, "utility kept"), line(LEFT, y(floor), WIDTH - RIGHT, y(floor), "floor")]
    if ceiling is not None:
        parts.append(line(x(ceiling), TOP, x(ceiling), HEIGHT - BOTTOM, "never"))
    best = front(placed)
    if len(best) > 1:
        parts.append(path([(x(dot.quality.mean), y(dot.utility.mean)) for dot in best], "trace", "var(--soft)"))
    for dot in placed:
        parts += _sign(dot, x(dot.quality.mean), y(dot.utility.mean))
    told = "; ".join(_told(dot) for dot in placed)
    return picture(WIDTH, HEIGHT, f"{quality.capitalize()} against utility kept", told, parts)


def _sign(dot: Dot, x: float, y: float) -> list[Markup]:
    left = x > WIDTH - RIGHT - 3 * GAP
    place = text(x - GAP if left else x + GAP, y + 4, str(dot.number), "end" if left else "start", "tick")
    return [mark(x, y, dot.number, _told(dot), radius=3.5), place]


def _told(dot: Dot) -> str:
    return f"{dot.label}: {number(dot.quality.mean)}, {percent(dot.utility.mean)} of the utility kept"
