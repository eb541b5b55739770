"""Tasks of lm-evaluation-harness in a record: a set "lm-eval: TASK" with the harness's own metrics."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

from expunge.evaluate.harness import Task, run_task
from expunge.models.model import Model
from expunge.record import Measured, Reading, SetInfo
from expunge.runs.phases import Phases

_READS = (
    "As lm-evaluation-harness defines it, on questions of its own: what the model can still do. Compare it with the "
    "same model before, not with printed tables, unless shots, template and version are theirs."
)


@dataclass(frozen=True)
class Harnessed:
    """The parts of a record."""

    sets: dict[str, SetInfo] = field(default_factory=dict)
    metrics: dict[str, dict[str, Measured]] = field(default_factory=dict)
    glossary: dict[str, Reading] = field(default_factory=dict)


def run_tasks(model: Model, tasks: Sequence[Task], phases: Phases, *, bf16: bool = False) -> Harnessed:
    """All tasks, one after the other."""
    result = Harnessed()
    for task in tasks:
        with phases.phase(f"lm-eval {task.name}"):
            found = run_task(model, task, bf16=bf16)
        for name, each in found.items():
            title = f"lm-eval: {name}"
            result.sets[title] = SetInfo(
                role="test", n=each.n, title=title, source=f"lm-evaluation-harness {version('lm-eval')}",
                digest=each.digest, note=each.note,
            )  # fmt: skip
            result.metrics[title] = each.metrics
            result.glossary.update(
                {
                    metric: Reading(title=metric.removeprefix("lm_eval_"), better=value.better, reads=_READS)
                    for metric, value in each.metrics.items()
                }
            )
    return result
