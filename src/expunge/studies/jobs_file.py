"""All results of a study in one small file, jobs.jsonl, from which another machine goes on or makes the report anew.

The first line has the study and the hash of its settings, every other one the folder of a job, the JSON files that it
left, and whether it left more (weights, masks): such jobs are done again where others, that may need it, are missing.
A job that is not done, since an arm failed or the run was killed, stands there with what it has, and goes on from that
unless it left more.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from expunge.config import Config
from expunge.errors import UsageError
from expunge.record import configuration_hash
from expunge.studies import RESULT, Study
from expunge.studies.results import write_result

JOBS = "jobs.jsonl"


def packed(study: Study, config: Config, out: Path) -> str:
    """What there is so far."""
    lines: list[dict[str, Any]] = [{"study": study.name, "settings": configuration_hash(config.model_dump())}]
    for job in study.jobs(config, out):
        paths = sorted(job.folder.iterdir()) if job.folder.is_dir() else []
        paths = [path for path in paths if not path.name.startswith(".")]  # of a write that was cut off
        left = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in paths if path.suffix == ".json"}
        if left:
            more = any(path.name not in left for path in paths)
            lines.append({"job": job.folder.relative_to(out).as_posix(), "more": more, "left": left})
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def unpack(study: Study, config: Config, out: Path, told: Sequence[Mapping[str, Any]]) -> None:
    """Put what `read` told where the jobs would have left it."""
    _write(out, (line for line in told if not line["more"]))
    there = {out / line["job"] for line in told if RESULT in line["left"]}
    if all(job.folder in there for job in study.jobs(config, out)):
        _write(out, told)


def _write(out: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    for line in lines:
        for name in sorted(line["left"], key=RESULT.__eq__):  # the result last: it says that the job is done
            if not (out / line["job"] / name).exists():
                write_result(out / line["job"], line["left"][name], name)


def read(study: Study, config: Config, path: Path) -> list[dict[str, Any]]:
    """What it tells of each job.

    Raises UsageError for a file of another study or of other settings.
    """
    try:
        first, *rest = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        name, settings = first["study"], first["settings"]
        told = [{"job": str(each["job"]), "more": bool(each["more"]), "left": dict(each["left"])} for each in rest]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"--reuse {path}: not the {JOBS} of a study ({error})") from None
    if name != study.name:
        raise UsageError(f"--reuse {path}: it is of the study {name!r}, this is {study.name!r}")
    if settings != configuration_hash(config.model_dump()):
        raise UsageError(f"--reuse {path}: it was made with other settings; give the same recipe and options")
    places = [Path(each["job"], name) for each in told for name in each["left"]]
    if outside := [place for place in places if place.is_absolute() or ".." in place.parts]:
        raise UsageError(f"--reuse {path}: {str(outside[0])!r} does not lie in a study's folder")
    return told
