"""Which trial's setting a method runs with: the rule that chooses checkpoints, over trials.

Of the trials with utility at least `train.utility_floor` of the start's on one half of the retain set, the one whose
forget level is nearest to the never-known one; if none holds the floor, the one that keeps most.
"""

from collections.abc import Sequence

from expunge.bench.table import Row
from expunge.train.selection import Point, Rule


def chosen(trials: Sequence[Row], floor: float) -> int | None:
    """The number of the chosen trial; None when none ended well. Among equals the first."""
    done = [row for row in trials if row.status == "done" and row.forget is not None]
    if not done:
        return None
    first = done[0]
    start = Point(0, 0.0, first.forget_start or 0.0, None if first.utility is None else 1.0)
    points = [Point(i + 1, 0.0, row.forget or 0.0, row.utility) for i, row in enumerate(done)]
    best = Rule(floor, first.never_known).best([start, *points])
    return done[best - 1].number


def loss_of(row: Row, floor: float) -> float:
    """The rule as one number, lower is better, for the sampler that goes by earlier trials."""
    if row.status != "done" or row.forget is None:
        return 2.0
    if row.utility is not None and row.utility < floor:
        return 1.0 + floor - row.utility
    return abs(row.forget - (row.never_known or 0.0))
