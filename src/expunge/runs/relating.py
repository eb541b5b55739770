"""From inner products of gradients to the record: rows, cosines, what each row lost, how the two go together."""

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite

import numpy as np

from expunge.config import RelateRunConfig
from expunge.evaluate.ranks import rank_correlation
from expunge.evaluate.relatedness import Related
from expunge.evaluate.went_along import Known
from expunge.record import ModelInfo
from expunge.record_related import Correlation, Knowledge, RelatedRow, WentAlong
from expunge.record_related import Related as RelatedJSON
from expunge.runs.sets import Measured

Seen = tuple[ModelInfo, list[Known], list[Known]]  # the model after; of each example, before and after
DIGITS = 6


def as_record(
    found: Related, config: RelateRunConfig, measured: Mapping[str, Measured], seen: Seen | None
) -> RelatedJSON:
    """`found` and `seen` have a row an example; the record has one a group where that was asked for."""
    rows = found.by_group() if config.relate.by == "group" else found
    numbers = {name: i for i, name in enumerate(dict.fromkeys(item.group for item in found.items))}
    grouped = {e.group for each in measured.values() for e in each.examples if e.group is not None}
    named = lambda group: group if config.include_text and group in grouped else None
    whole = found.by_set()
    names, cosines = [item.set for item in whole.items], whole.cosines
    return RelatedJSON(
        by=config.relate.by,
        rows=tuple(
            RelatedRow(set=i.set, id=i.id, group=numbers[i.group], examples=i.examples, name=named(i.group))
            for i in rows.items
        ),
        cosines=tuple(tuple(_rounded(line[: i + 1])) for i, line in enumerate(rows.cosines)),
        to_forget=tuple(_rounded(rows.to("forget"))),
        sets={name: dict(zip(names, _rounded(line[: i + 1]))) for i, (name, line) in enumerate(zip(names, cosines))},
        weights=found.weights, projection=found.projection, error=found.error,
        after=None if seen is None else _went_along(found, rows, seen, numbers, config.relate.seed),
    )  # fmt: skip


def _went_along(found: Related, rows: Related, seen: Seen, numbers: Mapping[str, int], seed: int) -> WentAlong:
    model, before, after = seen
    place = {(item.set, item.id): i for i, item in enumerate(found.items)}
    if len(rows.items) == len(found.items):
        members = [[place[item.set, item.id]] for item in rows.items]
    else:
        members = [
            [i for i, each in enumerate(found.items) if (each.set, each.group) == (item.set, item.group)]
            for item in rows.items
        ]
    lost = tuple(_knowledge([before[i] for i in some], [after[i] for i in some]) for some in members)
    others = list(dict.fromkeys(item.set for item in rows.items if item.set != "forget"))
    wanted = [tuple(others), *((name,) for name in others if len(others) > 1)]
    to_forget = rows.to("forget")
    correlations = []
    for sets in wanted:
        chosen = [
            i for i, item in enumerate(rows.items)
            if item.set in sets and isfinite(to_forget[i]) and lost[i].drop is not None
        ]  # fmt: skip
        correlations.append(_correlation(sets, chosen, rows, to_forget, lost, numbers, seed))
    return WentAlong(
        model=model.name, digest=model.digest, rows=lost, correlations=tuple(c for c in correlations if c is not None)
    )


def _correlation(
    sets: tuple[str, ...], chosen: Sequence[int], rows: Related, to_forget: np.ndarray, lost: Sequence[Knowledge],
    numbers: Mapping[str, int], seed: int,
) -> Correlation | None:  # fmt: skip
    """None where there is nothing to rank."""
    groups = [numbers[rows.items[i].group] for i in chosen]
    if len(chosen) < 3:
        return None
    drops = [drop for i in chosen if (drop := lost[i].drop) is not None]
    rho, interval = rank_correlation([float(to_forget[i]) for i in chosen], drops, groups, seed=(seed, 7))
    if not isfinite(rho):
        return None
    return Correlation(sets=sets, n=len(chosen), groups=len(set(groups)), rho=rho, interval=interval)


def _knowledge(before: Sequence[Known], after: Sequence[Known]) -> Knowledge:
    mean = lambda values: float(np.mean(list(values)))
    return Knowledge(
        before=mean(k.log_prob for k in before), after=mean(k.log_prob for k in after),
        said_before=mean(k.said for k in before), said_after=mean(k.said for k in after),
    )  # fmt: skip


def _rounded(values: Iterable[float]) -> list[float | None]:
    return [round(float(value), DIGITS) if isfinite(value) else None for value in values]
