"""A suite under a run: its convention and metrics below the user's settings, its sets where no file is given."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from expunge.config import (
    AuditRunConfig,
    CircuitsRunConfig,
    EvaluateRunConfig,
    ExtrapolateRunConfig,
    InjectConfig,
    LocalizeRunConfig,
    MeasureRunConfig,
    RelateRunConfig,
    SetsRunConfig,
    UnlearnConfig,
    differing,
    over,
    settings,
)
from expunge.data.example import Example, Sets
from expunge.data.overlap import check_overlap
from expunge.data.problems import Problems
from expunge.runs.folder import check_free
from expunge.runs.sets import Measured, measured_sets, read_sets
from expunge.suites import Suite
from expunge.worlds.finding import find_suite

C = TypeVar(
    "C", MeasureRunConfig, EvaluateRunConfig, UnlearnConfig, InjectConfig, AuditRunConfig, LocalizeRunConfig,
    CircuitsRunConfig,
    RelateRunConfig, ExtrapolateRunConfig,
)  # fmt: skip


def settled(
    kind: type[C], values: Mapping[str, Any], first: Callable[[C], object] = lambda _: None
) -> tuple[C, Suite | None]:
    """The settings and the suite that they name. What the user gives wins over the suite, the suite over defaults.

    `first` checks what needs no suite: a world about a real model may take minutes to find out what it knows.
    """
    config = settings(kind, values)
    first(config)
    if config.suite is None:
        return config, None
    suite = find_suite(config.suite)
    below = {
        name: {key: value for key, value in part.model_dump().items() if key in differing(part)}
        for name, part in (("convention", suite.convention), ("evaluate", suite.evaluate))
    }
    return settings(kind, over(below, dict(values))), suite


def check_early(
    config: SetsRunConfig | UnlearnConfig | InjectConfig, *, out: Path, resume: bool, overwrite: bool
) -> None:
    """What can be seen to be wrong before a suite is read: methods, metrics, a folder that is taken."""
    from expunge.evaluate.measure import check_metrics  # needs torch
    from expunge.runs.unlearn import check_method

    check_metrics(config.evaluate)
    if isinstance(config, UnlearnConfig):
        check_method(config.train)
    if isinstance(config, AuditRunConfig):
        from expunge.runs.audit import check_audit

        check_audit(config)
    check_free(out, resume=resume, overwrite=overwrite)


def sets_of(config: SetsRunConfig, suite: Suite | None, model: str) -> Sets:
    """The sets that the settings name, read and checked; the suite's where they name none."""
    given = read_sets(config)
    if suite is None:
        return given
    warnings = [*suite.sets.warnings, *given.warnings]
    if suite.model is not None and model.partition("+")[0] != suite.model:
        warnings.append(f"the sets of {suite.name} are what {suite.model} knows, and the model is {model}")
    sets, mixed = replace(suite.sets, **dict(given.named())), Problems()
    if any(True for _ in given.named()):  # the suite has been checked against itself, the files against one another
        check_overlap(sets, mixed)
        mixed.check()
        warnings = [*dict.fromkeys((*warnings, *mixed.warned()))]
    return replace(sets, warnings=tuple(warnings))


def only_measured(suite: Suite | None) -> list[tuple[Example, ...]]:
    """Sets beside the four that train or control."""
    return [] if suite is None else [*suite.probes.values(), *suite.utility.values()]


def measured_of(
    sets: Sets, config: SetsRunConfig, suite: Suite | None, *, split: int | None = None
) -> dict[str, Measured]:
    """Everything that is measured: the sets, but for those of a suite that only train, and those it only measures."""
    left_out = [name for name in suite.only_trained if not getattr(config, name)] if suite is not None else []
    found = measured_sets(replace(sets, **dict.fromkeys(left_out, ())), config, split=split)
    if suite is not None:
        for name, examples in suite.measured().items():
            if name not in found and (name in suite.probes or name in suite.utility):
                role = suite.role(name) if name in suite.probes or name == "retain" else "test"
                found[name] = Measured(examples, role, name, suite.name)
    return found
