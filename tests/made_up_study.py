"""A study that squares numbers, and its jobs."""

from collections.abc import Sequence
from pathlib import Path

from expunge.bench.jobs import Job
from expunge.config import Config
from expunge.studies import Published, Study, done
from expunge.studies.results import read_result, write_result


class Settings(Config):
    """Of the study below."""

    numbers: tuple[int, ...] = (2, 3)


def jobs(config: Settings, out: Path) -> list[Job]:
    """Squares of numbers, and their sum, which needs all of them."""
    squares = [
        Job("call", f"square {n}", out / "squares" / str(n), {"number": n}, 1, "made_up_study:square")
        for n in config.numbers
    ]
    folders = [str(job.folder) for job in squares]
    return [*squares, Job("call", "sum", out / "sum", {"folders": folders}, 1, "made_up_study:total")]


def ready(job: Job, config: Settings, out: Path) -> bool:
    return job.label != "sum" or all(done(each) for each in jobs(config, out)[:-1])


def published(config: Settings, out: Path) -> Published:
    total = read_result(out / "sum")
    return Published({"report.md": f"{total}"}, ("nothing yet",) if total is None else (f"sum {total['total']}",))


STUDY = Study("squares", "", Settings, lambda config: config, jobs, ready, published, __name__)


def square(folder: Path, *, number: int) -> None:
    if number < 0:
        raise ValueError(f"{number} is negative")
    write_result(folder, {"square": number * number})


def total(folder: Path, *, folders: Sequence[str]) -> None:
    write_result(folder, {"total": sum((read_result(Path(each)) or {})["square"] for each in folders)})
