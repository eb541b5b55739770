"""The arms: one method as it is, on one bucket alone, and in the forms that go by frequency.

All forms of a method have its learning rate and as many steps (curricula within rounding): strengths have mean 1, and
epochs of a curriculum's buckets go as 1 + log(1 + count) with the usual number on average.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from expunge.config import FrequencyStudyConfig, TrainConfig, settings
from expunge.frequency.strata import Bucket
from expunge.frequency.strengths import strengths

UNIFORM = "uniform"
LOW, HIGH = "rarest alone", "most frequent alone"
METHODS: Mapping[str, Mapping[str, Any]] = {  # all with the likelihood of retained answers (GD)
    "grad_diff": {"method": "gradient_ascent"},
    "simnpo": {"method": "simnpo", "options": {"beta": 0.1, "delta": 0.0}},  # the paper's β, and its γ
    "idk": {"method": "idk"},
    "npo": {"method": "npo"},
}
_LEAVE = {"stop": "leave", "leave": {"every": 2}}
_BUCKETS = {"extrapolate": {"per": "bucket"}}  # from the early checkpoint: it has something of every bucket
FORMS: Mapping[str, Mapping[str, Any]] = {
    "strength": {"strength": {"power": 1.0}},
    "strength 2": {"strength": {"power": 2.0}},
    "margin": {"strength": {"by": "margin", "power": 1.0}},
    "leave": _LEAVE,
    "leave, strength": {**_LEAVE, "strength": {"power": 1.0}},
    "rare first": {"curriculum": {"order": "rare-first"}},
    "frequent first": {"curriculum": {"order": "frequent-first"}},
    "mixed": {"curriculum": {"order": "mixed"}},
    "rare first, alpha a bucket": {"curriculum": {"order": "rare-first"}, **_BUCKETS},
}


def training(config: FrequencyStudyConfig, method: str, rate: float, seed: int) -> TrainConfig:
    """The settings of the uniform arm."""
    return settings(TrainConfig, {
        **METHODS[method], "forget_weight": config.forget_weight, "learning_rate": rate, "max_steps": config.steps,
        "batch_size": config.batch_size, "eval_every": max(1, config.steps // config.evaluations),
        "precision": config.precision, "utility_floor": config.utility_floor, "seed": seed,
    })  # fmt: skip


def formed(
    config: FrequencyStudyConfig, usual: TrainConfig, form: str, found: Sequence[Bucket], values: Sequence[float | None]
) -> TrainConfig:
    """The settings of a form. `found` are the buckets of the forget set, `values` what they were cut by."""
    changes = {name: dict(value) if isinstance(value, Mapping) else value for name, value in FORMS[form].items()}
    if (strength := changes.get("strength")) is not None:
        strength.setdefault("by", config.by)
    if (curriculum := changes.get("curriculum")) is not None:
        epochs = epochs_of(found, values, config)
        curriculum |= {"by": config.by, "edges": config.edges, "epochs": epochs, "at_least": 1}
        changes["max_steps"] = None
    return settings(TrainConfig, {**usual.model_dump(), **changes})


def epochs_of(found: Sequence[Bucket], values: Sequence[float | None], config: FrequencyStudyConfig) -> tuple[int, ...]:
    """Of each bucket, from rare to frequent: as many steps in all as the uniform arm, within rounding."""
    means = [fmean(value for row in each.rows if (value := values[row]) is not None) for each in found]
    steps = [-(-len(each.rows) // config.batch_size) for each in found]  # of an epoch
    factors = strengths(means, 1.0, config.by)
    usual = config.steps / sum(factor * number for factor, number in zip(factors, steps, strict=True))
    return tuple(max(1, round(usual * factor)) for factor in factors)
