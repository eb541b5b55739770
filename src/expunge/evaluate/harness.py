"""Utility as others measure it: tasks of lm-evaluation-harness (extra "lm-eval") on a loaded model.

Gao et al., "The Language Model Evaluation Harness", 10.5281/zenodo.12608602. A task is NAME, a group, a tag, or the
path of a YAML file, with options: `arc_easy:limit=100,shots=5,batch=4,chat=true`. The harness encodes, scores and
judges; we give it the network and read the results. An interval is value ± 1.96 of the harness's standard error,
which is None where it gives none. Code from data sets is never run, nor are tasks that execute what a model wrote.
"""

import copy
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from expunge.config import parse_name
from expunge.errors import ConfigError, DataError, MissingExtraError, RunError, UnknownNameError
from expunge.models.attaching import attached_to
from expunge.models.model import Model
from expunge.models.quiet import quiet
from expunge.objectives.options import AtLeastOne, Count, checked
from expunge.record import Measured

OPTIONS: dict[str, Any] = {"limit": AtLeastOne, "shots": Count, "batch": AtLeastOne, "chat": bool}
_BATCH = 4  # rows of a forward pass
_NORMAL = 1.959963984540054  # of a two-sided interval of 95 %


@dataclass(frozen=True)
class Task:
    """A task or group whose data are at hand."""

    name: str
    options: Mapping[str, Any]
    items: tuple[Any, ...] = field(repr=False)  # the harness's own objects


@dataclass(frozen=True)
class Result:
    """What the harness gave for a task or a group."""

    n: int
    metrics: dict[str, Measured]
    digest: str  # the harness's own, of the task's questions
    note: str  # shots, version, limit


def load_tasks(asked: Sequence[str]) -> list[Task]:
    """Read the tasks and their data, downloading what is not in the Hub's cache.

    Raises MissingExtraError without lm-eval, UnknownNameError for a task that there is not, ConfigError for an option
    or a task that cannot be used, DataError, with what could not be had, when data are neither here nor to be reached.
    """
    named = [_named(text) for text in asked]
    try:
        from lm_eval.tasks import TaskManager  # type: ignore[reportMissingImports]  # an extra
    except ImportError:
        raise MissingExtraError("lm-eval", "lm-eval") from None
    with _quiet():
        manager = TaskManager(include_defaults=any(not _is_file(name) for name, _ in named))
        return [Task(name, options, _items(manager, name)) for name, options in named]


def run_task(model: Model, task: Task, *, bf16: bool = False) -> dict[str, Result]:
    """Name → result: of the group where its parts make one number, else of each part. The model stays as it is."""
    from lm_eval import simple_evaluate  # type: ignore[reportMissingImports]  # an extra
    from lm_eval.models.huggingface import HFLM  # type: ignore[reportMissingImports]  # an extra

    wrap: Any = HFLM
    run: Any = simple_evaluate
    options = task.options
    with _quiet():
        wrapped = wrap(
            pretrained=model.network, tokenizer=copy.deepcopy(model.tokenizer), backend="causal",
            batch_size=_batch(model, options), mixed_precision_dtype="bfloat16" if bf16 else None,
            trust_remote_code=False,
        )  # fmt: skip
        try:
            found = run(
                wrapped, tasks=list(task.items), num_fewshot=options.get("shots"), limit=options.get("limit"),
                apply_chat_template=options.get("chat", False), bootstrap_iters=1000, random_seed=None,
                numpy_random_seed=None, torch_random_seed=None,
            )  # fmt: skip
        except Exception as error:  # whatever the harness, a task's own code or `datasets` raises; may hold texts
            raise RunError(f"--lm-eval {task.name}: lm-eval stopped with a {type(error).__name__}") from error
    assert found is not None, "only ranks other than 0 get nothing"
    return {name: _result(name, found, options) for name in _shown(found)}


def _batch(model: Model, options: Mapping[str, Any]) -> int:
    """The harness scores rows without an attention mask, so what goes by a whole text must see no padding."""
    return 1 if any(each.whole for each in attached_to(model)) else options.get("batch", _BATCH)


def _named(text: str) -> tuple[str, dict[str, Any]]:
    name, options = parse_name(text)
    if unknown := [key for key in options if key not in OPTIONS]:
        raise ConfigError(f"--lm-eval {name}: no option {unknown[0]!r}. Known: {', '.join(OPTIONS)}")
    return name, {k: checked(f"option {k!r} of --lm-eval {name}", v, OPTIONS[k]) for k, v in options.items()}


def _is_file(name: str) -> bool:
    return name.endswith((".yaml", ".yml"))


def _items(manager: Any, name: str) -> tuple[Any, ...]:
    if _is_file(name) and not Path(name).is_file():
        raise UnknownNameError(f"--lm-eval: there is no file {name}")
    try:
        found = manager.load([str(Path(name).resolve()) if _is_file(name) else name])
    except KeyError:
        near = [each for each in manager.all_tasks if name.lower() in each.lower()][:5]
        hint = f" Near: {', '.join(near)}." if near else ""
        raise UnknownNameError(f"lm-eval has no task {name!r}.{hint} `lm-eval ls tasks` lists all") from None
    except Exception as error:  # `datasets`, the Hub's client, the network
        first = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        raise DataError(
            f"--lm-eval {name}: its data could not be had: {first}. Run it once where they can be downloaded, or leave "
            "it out"
        ) from error
    for task in found["tasks"].values():
        if getattr(task, "UNSAFE_CODE", False) or task.get_config("unsafe_code"):
            raise ConfigError(f"--lm-eval {name}: this task runs code that the model wrote, which Expunge does not do")
        if getattr(task, "MULTIMODAL", False):
            raise ConfigError(f"--lm-eval {name}: this task shows pictures or sounds, which the model cannot take")
    if name in found["groups"]:
        return (found["groups"][name],)
    return tuple(found["tasks"].values())


def _shown(found: Mapping[str, Any]) -> list[str]:
    """Groups that have a number of their own stand for their parts."""
    groups, children = found.get("groups", {}), found.get("group_subtasks", {})
    tops = [name for name in groups if not any(name in parts for parts in children.values())]
    if tops and all(_values(found["results"][name]) for name in tops):
        return tops
    return [name for name in found["results"] if name not in children or not children[name]]


def _values(results: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    """(metric, filter) → value."""
    keys = [(key, *key.split(",", 1)) for key in results if "," in key]
    return {
        (metric, which): float(results[key])
        for key, metric, which in keys
        if not metric.endswith("_stderr") and isinstance(results[key], int | float)
    }


def _result(name: str, found: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    results, samples = found["results"][name], found.get("samples", {}).get(name, [])
    higher = found.get("higher_is_better", {}).get(name, {})
    n = int(results.get("sample_len", len(samples)))
    metrics = {}
    for (metric, which), value in _values(results).items():
        error = results.get(f"{metric}_stderr,{which}")
        interval = None
        if isinstance(error, int | float):
            interval = (value - _NORMAL * error, value + _NORMAL * error)
        title = metric if which == "none" else f"{metric}_{which}".replace("-", "_")
        metrics[f"lm_eval_{title}"] = Measured(
            value=value, better="lower" if higher.get(metric) is False else "higher", n=n, interval=interval,
            per_example=_each(samples, metric, which, n), note=f"{metric} of lm-evaluation-harness",
        )  # fmt: skip
    facts = {
        "shots": found.get("n-shot", {}).get(name), "version": found.get("versions", {}).get(name),
        "rows of each task": options.get("limit"),
    }  # fmt: skip
    note = ", ".join(f"{what}: {value}" for what, value in facts.items() if value is not None)
    return Result(n, metrics, str(found.get("task_hashes", {}).get(name, "")), note)


def _each(samples: Sequence[Mapping[str, Any]], metric: str, which: str, n: int) -> tuple[float, ...]:
    """The value of each question, where it is a number."""
    values = [each.get(metric) for each in samples if each.get("filter") == which]
    return tuple(map(float, values)) if len(values) == n and all(isinstance(v, int | float) for v in values) else ()  # type: ignore[arg-type]


@contextmanager
def _quiet() -> Iterator[None]:
    """The harness's log, too."""
    log = logging.getLogger("lm_eval")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with quiet():
            yield
    finally:
        log.setLevel(level)
