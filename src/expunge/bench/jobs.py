"""Jobs: what a worker is asked to do. A job is plain data, so that it can be sent to another process or machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expunge.bench.cells import NONE, Cell, slug
from expunge.config import (
    BenchConfig,
    ModelsConfig,
    TrainConfig,
    differing,
    extrapolate_settings,
    localizer_settings,
    settings,
)
from expunge.edit import editors
from expunge.errors import ConfigError, UnknownNameError
from expunge.runs.unlearn import EDITOR_SETTINGS
from expunge.suites.targets import target_of
from expunge.worlds.finding import PREFIX, find_suite

RUNS: Mapping[str, str] = {  # kind → "module:function" that runs it
    "unlearn": "expunge.runs.unlearn:run_unlearn",
    "audit": "expunge.runs.audit:run_audit",
}
RETRAINED = 3  # models that never knew, of a suite that makes its own


@dataclass(frozen=True)
class Job:
    """`values` are the settings of the run; a "model" job only sees to it that a model is made, and a "call" is just
    that: `run(folder, **values)`.
    """

    kind: str
    label: str
    folder: Path
    values: Mapping[str, Any]
    threads: int = 1
    run: str = ""  # "module:function"
    keeps_change: bool = True


def train_config(
    config: BenchConfig, method_settings: Mapping[str, Any], seed: int, mask: str = NONE, extrapolation: str = NONE
) -> TrainConfig:
    """What all methods share and what this run has of its own; an editor takes only what it reads.

    A mask's draws have the run's seed.
    """
    shared = differing(config.train)
    if method_settings["method"] in editors:
        shared = {name: value for name, value in shared.items() if name in EDITOR_SETTINGS}
    own = {} if mask == NONE else {"localize": {**localizer_settings(mask), "seed": seed}}
    if extrapolation != NONE:
        own["extrapolate"] = {"seed": seed, **extrapolate_settings(extrapolation)}
    return settings(TrainConfig, {**shared, **method_settings, **own, "seed": seed})


def models_of(config: BenchConfig, suite: str) -> ModelsConfig:
    """The models that the recipe names for a suite, else the suite's own."""
    if suite in config.models:
        return config.models[suite]
    if suite.startswith(PREFIX):
        own = find_suite(suite).model
        return ModelsConfig(before=own) if own else _made(suite, RETRAINED)
    try:
        target = target_of(suite)
    except UnknownNameError:
        raise ConfigError(f"{suite} has no models of its own: name them under `models` in a recipe") from None
    return _made(suite, target.seeds["retrained"])


def _made(suite: str, seeds: int) -> ModelsConfig:
    return ModelsConfig(before=f"{suite}@full", retrained=tuple(f"{suite}@retrained#{seed}" for seed in range(seeds)))


def model_job(config: BenchConfig, out: Path, name: str) -> Job:
    return Job("model", f"model {name}", out / "models" / slug(name), {"model": name}, config.threads)


def unlearn_job(config: BenchConfig, out: Path, cell: Cell, train: TrainConfig, run: str) -> Job:
    """Nothing is measured but the trajectory: trials are chosen by it, and final runs are audited."""
    values = {
        "model": config.models[cell.contender.suite].before, "suite": cell.contender.suite,
        "train": train.model_dump(), "load": config.load.model_dump(), "convention": differing(config.convention),
        "evaluate": {"metrics": ()},
    }  # fmt: skip
    final = cell.role == "final"
    label = f"{cell.contender.label}, {'seed' if final else 'trial'} {cell.number}"
    return Job("unlearn", label, out / cell.place, values, config.threads, run, keeps_change=final)


def audit_job(config: BenchConfig, out: Path, cell: Cell, folder: Path, run: str, *, full: bool) -> Job:
    """`folder`: of the audit, relative to `out`."""
    models = config.models[cell.contender.suite]
    # what differs only: an audit takes a `by` that is set as a wish for buckets
    audit = differing(config.audit) | ({"panel": "full", "attacks": None} if full else {})
    values = {
        "before": models.before, "after": f"{models.before}+{out / cell.change}",
        "retrained": models.retrained, "suite": cell.contender.suite, "load": config.load.model_dump(), "audit": audit,
        "convention": differing(config.convention), "evaluate": differing(config.evaluate),
    }  # fmt: skip
    what = "full audit" if full else "audit"
    return Job(
        "audit", f"{what} of {cell.contender.label}, seed {cell.number}", out / folder, values, config.threads, run
    )
