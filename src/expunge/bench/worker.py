"""What a worker process does with a job: run it, resuming, and leave a record or a note of what went wrong.

Nothing here imports torch before the number of threads is set: results may depend on it, so each job has the recipe's.
"""

import json
import os
import shutil
import signal
import threading
import traceback
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from filelock import FileLock

from expunge.atomic import atomic_file
from expunge.bench.jobs import Job
from expunge.errors import DivergedError
from expunge.record_file import load_record, record_path, save_record
from expunge.runs.saving import CHANGE


def work(job: Job) -> None:
    """Do the job. Whatever it raises is written beside its folder and goes no further."""
    import torch

    torch.set_num_threads(job.threads)
    job.folder.parent.mkdir(parents=True, exist_ok=True)
    # a worker whose bench was killed may live for a moment: two never write to one folder
    with FileLock(job.folder.with_name(f".{job.folder.name}.lock")):
        try:
            _run(job)
            note_on(job.folder).unlink(missing_ok=True)
        except DivergedError as error:  # a result, and no fault of the code
            write_failure(job, type(error).__name__, str(error))
        except Exception as error:
            write_failure(job, type(error).__name__, str(error), traceback.format_exc())


def work_in(job: Job, folder: str) -> None:
    """`work` where paths are relative to a folder, on a machine of a cluster."""
    os.chdir(folder)
    work(job)


def write_failure(job: Job, kind: str, message: str, trace: str = "") -> None:
    """Leave a note of what went wrong."""
    with atomic_file(note_on(job.folder)) as partial:
        partial.write_text(json.dumps({"error": kind, "message": message, "traceback": trace}, indent=1) + "\n")


def note_on(job_folder: Path) -> Path:
    """Where it is written what went wrong: beside the folder, which may not exist."""
    return job_folder.with_name(f"{job_folder.name}.failed.json")


def read_failure(job_folder: Path) -> dict[str, str] | None:
    """The note on the job whose folder this is, or None."""
    path = note_on(job_folder)
    return json.loads(path.read_text()) if path.exists() else None


def alone(job: Job, environment: Mapping[str, str]) -> None:
    """`work` in a process of its own: it ends when the bench does, and an interrupt is the bench's matter."""
    from multiprocessing import parent_process

    os.environ.update(environment)  # the server that processes are forks of may have an older one
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    work(job)


def _end_with(sentinel: int) -> None:
    from multiprocessing.connection import wait

    wait([sentinel])
    os._exit(1)


def _run(job: Job) -> None:
    if job.kind == "model":
        _make(job.values["model"])
        return
    if job.kind == "call":
        _function(job.run)(job.folder, **job.values)
        return
    from expunge.config import AuditRunConfig, UnlearnConfig
    from expunge.runs.suites import settled

    folder = job.folder
    if folder.is_dir() and (not record_path(folder).exists() or _lacks_change(job)):
        shutil.rmtree(folder)  # of a worker that was killed before its record was there, or only results of elsewhere
    kind: Any = UnlearnConfig if job.kind == "unlearn" else AuditRunConfig
    config, suite = settled(kind, job.values)
    _function(job.run)(config, folder, suite=suite, resume=record_path(folder).exists())
    if not job.keeps_change:
        _drop_change(folder)


def _make(name: str) -> None:
    """A built-in model is made, or found in the cache; others are loaded when they are needed."""
    from expunge.models.builtin import BUILTIN
    from expunge.models.finding import find

    source = find(name)
    if source.kind == "builtin":
        BUILTIN[source.place].folder(source.rest, lambda _: None)


def _lacks_change(job: Job) -> bool:
    """Whether a run is done whose change is needed and not there: so it is run again, and audited again."""
    if job.kind != "unlearn" or not job.keeps_change or load_record(job.folder).status != "done":
        return False
    return not (job.folder / CHANGE).exists()


def _drop_change(folder: Path) -> None:
    """Of a trial only the record stays: changes are as large as models."""
    record = load_record(folder)
    left = {name: o.model_copy(update={"change": o.change and o.change.model_copy(update={"file": None})})
            for name, o in record.methods.items()}  # fmt: skip
    save_record(record.updated(methods=left), folder)
    (folder / CHANGE).unlink(missing_ok=True)


def _function(place: str) -> Callable[..., Any]:
    module, function = place.split(":")
    return getattr(import_module(module), function)
