"""What stands in the study's `results.json`."""

from dataclasses import asdict
from math import isinf
from pathlib import Path
from typing import Any

from expunge.config import FrequencyStudyConfig
from expunge.studies.compared import Compared
from expunge.studies.frequency.arms import HIGH, LOW
from expunge.studies.frequency.comparing import Cells
from expunge.studies.frequency.equal_utility import Chosen
from expunge.studies.frequency.outcomes import Arm, Cell
from expunge.studies.frequency.rates import chosen_rates, trials
from expunge.studies.frequency.scene import NEIGHBOURS
from expunge.studies.frequency.telling import Comparisons


def numbers(config: FrequencyStudyConfig, out: Path, found: Cells, made: Comparisons) -> dict[str, Any]:
    """What tables and pictures are made of, and every family of comparisons."""
    families = {
        "steps until forgotten, logarithms": made.harder.first,
        "steps until forgotten, logarithms, other sizes": made.harder.others,
        "steps until forgotten, logarithms, each bucket alone": made.harder.alone,
        "D by size": made.sizes,
        "residual": made.better,
        "residual, neighbours kept": made.beside,
        "gap": made.gaps,
        "gap, without sign": made.widths,
    }
    return {
        "rates": chosen_rates(config, out) or {},
        "pilots": [asdict(each) for each in trials(config, out)],
        "forms": [_chosen(each) for each in made.chosen],
        "comparisons": {name: [_as_json(each) for each in several] for name, several in families.items()},
        "cells": [_cell(cell, config) for several in found.values() for cell in several],
    }


def _chosen(each: Chosen) -> dict[str, Any]:
    return {"method": each.method, "size": each.size, "chosen": each.form, "selecting": dict(each.selecting),
            "tested": {name: list(values) for name, values in each.tested.items()}}  # fmt: skip


def _as_json(each: Compared) -> dict[str, Any]:
    found = each.found
    return {"name": each.name, "seeds": found.n, "means": found.means, "difference": found.difference,
            "interval": found.interval, "p": found.p, "holm": each.holm, "tost": found.tost_p,
            "tost holm": each.tost_holm, "margin": found.margin, "finding": each.finding,
            "values": each.values}  # fmt: skip


def _cell(cell: Cell, config: FrequencyStudyConfig) -> dict[str, Any]:
    """What the tables are made of; every point of every arm stands in the cell's own folder."""
    result = {name: cell.result[name] for name in ("size", "method", "seed", "rate", "buckets", "never")}
    result |= {"size": config.base or result["size"], "left out": cell.arm().left_out}
    return {**result, "arms": {name: _arm(cell.arm(name), config) for name in cell.result["arms"]}}


def _arm(arm: Arm, config: FrequencyStudyConfig) -> dict[str, Any]:
    """Of a bucket that is unlearnt alone there are steps only: of the others nothing was asked."""
    measured = {form: [b for b in arm.buckets if b in arm.points[0]["measures"][form]] for form in arm.forms}
    found = {
        "note": arm.result["note"], "turns": arm.result["turns"], "start": arm.points[0]["measures"],
        "until": {form: {b: arm.until(form, b, config.steps) for b in names} for form, names in measured.items()},
        "half": {form: {b: _half(arm.half(form, b)) for b in names} for form, names in measured.items()},
    }  # fmt: skip
    return found if arm.name in (LOW, HIGH) else {**found, **_at_equal_utility(arm, config)}


def _half(step: float | None) -> float | str | None:
    """Apart: half never went, and too few facts were said before."""
    return "never" if step is not None and isinf(step) else step


def _at_equal_utility(arm: Arm, config: FrequencyStudyConfig) -> dict[str, Any]:
    point = arm.chosen(config.utility_floor) if arm.judged else None
    beside = arm.judged and NEIGHBOURS in arm.points[0]["measures"]
    return {
        "residual": arm.worst(point) if point is not None else None,
        "residual, neighbours kept": arm.residual(config.neighbour_floor, NEIGHBOURS) if beside else None,
        "chosen": point, "kept": arm.by_rule(config.utility_floor),
    }  # fmt: skip
