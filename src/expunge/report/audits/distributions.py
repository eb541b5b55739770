"""Distributions before and after: of each cell, which share of the examples scores at most x (the ECDF).

Two models that know alike have curves that lie on each other; the largest vertical distance between two curves is the
statistic D of Kolmogorov and Smirnov's test. The controls are pooled; the shade spans the single retrained models.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from expunge.record_audit import Cell
from expunge.report.audits.bars import CONTROL, ORIGINAL, UNLEARNED
from expunge.report.audits.status import tile
from expunge.report.audits.view import OWN, Audited
from expunge.report.numbers import number, tick
from expunge.report.svg import Scale, colour, line, mark, path, picture, polygon, text

WIDTH, HEIGHT = 300.0, 176.0
LEFT, RIGHT, TOP, BOTTOM = 34.0, 10.0, 8.0, 34.0
MOST = 60  # steps of a line: more cannot be seen
GRID = 50  # columns of the shade
Scores = list[float]  # sorted


@dataclass(frozen=True)
class Distribution:
    """One cell. The distances are those of the two models from the pooled controls; None without controls."""

    tile: Markup
    title: str
    drawn: Markup
    original: float | None
    unlearned: float | None


def distributions(audited: Audited) -> list[Distribution]:
    """Of the cells whose scores are more than yes and no."""
    return [_shown(audited, cell) for cell in audited.audit.cells if is_graded(cell)]


def is_graded(cell: Cell) -> bool:
    """Whether the scores of some model take more than two values: else the mean, a share, says all."""
    return any(len(set(scores)) > 2 for scores in models(cell).values())


def models(cell: Cell) -> dict[str, Scores]:
    """The scores that there are, sorted."""
    found = {label: sorted(x for x in scores if x is not None) for label, scores in cell.scores.items()}
    return {label: scores for label, scores in found.items() if scores}


def distances(cell: Cell) -> tuple[float | None, float | None]:
    """D of the original and of the unlearned model, each from the pooled controls."""
    there = models(cell)
    pooled = _pooled(there)
    one, two = (distance(there[label], pooled) if label in there and pooled else None for label in OWN)
    return one, two


def distance(one: Scores, two: Scores) -> float:
    """The largest vertical distance of two ECDFs.

    >>> distance([0.0, 0.2], [0.1, 0.2])
    0.5
    """
    return max(abs(_share(one, x) - _share(two, x)) for x in {*one, *two})


def _share(scores: Scores, x: float) -> float:
    return bisect_right(scores, x) / len(scores)


def _pooled(there: dict[str, Scores]) -> Scores:
    return sorted(x for label, scores in there.items() if label not in OWN for x in scores)


def _shown(audited: Audited, cell: Cell) -> Distribution:
    title, (original, unlearned) = audited.title(cell), distances(cell)
    return Distribution(tile(cell.status, cell.status), title, ecdfs(cell, title), original, unlearned)


def ecdfs(cell: Cell, title: str) -> Markup:
    there = models(cell)
    every = [x for scores in there.values() for x in scores]
    unit = min(every) >= 0 and max(every) <= 1
    x = Scale(0, 1, LEFT, WIDTH - RIGHT) if unit else Scale.around(every, LEFT, WIDTH - RIGHT)
    y = Scale(0, 1, HEIGHT - BOTTOM, TOP)
    seeds = [scores for label, scores in there.items() if label not in OWN]
    lines = [
        (CONTROL, _pooled(there)),
        *((n, there.get(label, [])) for n, label in ((ORIGINAL, "original"), (UNLEARNED, "unlearned"))),
    ]
    parts = [*_frame(x, y), *([_shade(seeds, x, y)] if len(seeds) > 1 else [])]
    for model, scores in lines:
        if scores:
            parts.append(path(_steps(scores, x, y), f"ecdf {_KIND[model]}", colour(model)))
    for model, scores in lines:
        if scores:
            middle = scores[(len(scores) - 1) // 2]
            tip = f"{_KIND[model]}: half of the examples score at most {number(middle)}"
            parts.append(mark(x(middle), y(0.5), model, tip, hollow=model == ORIGINAL))
    told = "; ".join(f"{label}: median {number(s[(len(s) - 1) // 2])}" for label, s in there.items())
    return picture(WIDTH, HEIGHT, f"Distribution of {title}", told, parts)


_KIND = {ORIGINAL: "original", CONTROL: "control", UNLEARNED: "unlearned"}


def _steps(scores: Scores, x: Scale, y: Scale) -> Iterable[tuple[float, float]]:
    """Along the ECDF from 0 to 1, over the whole width, with no more corners than can be seen."""
    n = len(scores)
    ranks = range(1, n + 1) if n <= MOST else [round(n * i / MOST) for i in range(1, MOST + 1)]
    points, below = [(x.start, y(0))], 0.0
    for rank in ranks:
        at = x(scores[rank - 1])
        if at - points[-1][0] >= 0.05:
            points += [(at, y(below))] if below or at > x.start else []
        below = rank / n
        if len(points) > 1 and abs(points[-1][0] - at) < 0.05 and abs(points[-2][0] - at) < 0.05:
            points.pop()
        points.append((at, y(below)))
    return [*points, (x.end, y(1))]


def _shade(seeds: Sequence[Scores], x: Scale, y: Scale) -> Markup:
    places = [x.low + (x.high - x.low) * i / GRID for i in range(GRID + 1)]
    shares = [[_share(scores, at) for scores in seeds] for at in places]
    upper = [(x(at), y(max(each))) for at, each in zip(places, shares)]
    lower = [(x(at), y(min(each))) for at, each in zip(places, shares)]
    return polygon([*upper, *reversed(lower)], colour(CONTROL), 0.2)


def _frame(x: Scale, y: Scale) -> list[Markup]:
    parts = []
    for at in (0, 0.5, 1):
        parts.append(line(LEFT, y(at), WIDTH - RIGHT, y(at), "axis" if at == 0 else "grid"))
        parts.append(text(LEFT - 6, y(at) + 3.5, tick(at), "end", "tick"))
    parts += [text(x(at), HEIGHT - BOTTOM + 14, tick(at), "middle", "tick") for at in x.ticks()]
    return [*parts, text((x.start + x.end) / 2, HEIGHT - 5, "score of an example", "middle", "label")]
