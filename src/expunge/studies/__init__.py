"""Studies: the experiment of a paper, end to end, one folder a paper.

A study says which jobs can be started, given what is done, and what follows from the results; `running.run_study` does
the rest: processes, resuming, the record.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expunge.bench.jobs import Job
from expunge.config import Config
from expunge.registry import Registry, summary_of

RESULT = "result.json"  # what a job leaves in its folder when it is done


@dataclass(frozen=True)
class Published:
    """What follows from the results so far."""

    files: Mapping[str, str]  # name → text, written to the study's folder
    headline: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """A registered study."""

    name: str
    paper: str
    settings: type[Config]
    check: Callable[[Any], Any]  # settings → settings, resolved; raises before anything is run
    jobs: Callable[[Any, Path], Sequence[Job]]  # all that are known of, in order; later ones may depend on results
    ready: Callable[[Job, Any, Path], bool]  # may it start now?
    publish: Callable[[Any, Path], Published]
    module: str

    @property
    def summary(self) -> str:
        return summary_of(self.module)


class _Studies(Registry[Study]):
    pass


studies = _Studies("study", "expunge.studies")


def done(job: Job) -> bool:
    """Whether a job has left its result."""
    return (job.folder / RESULT).exists()
