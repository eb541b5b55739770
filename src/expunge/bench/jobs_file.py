"""All results of a bench or a study in one small file, jobs.jsonl, from which another machine goes on.

The first line has the command and the hash of its settings, every other one the folder of a job, the JSON files that it
left, and whether it left more (weights, masks), which does not come along.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from expunge.atomic import atomic_file
from expunge.config import Config
from expunge.errors import UsageError
from expunge.record import configuration_hash

JOBS = "jobs.jsonl"
Line = Mapping[str, Any]


def packed(command: str, config: Config, jobs: Iterable[tuple[Path, Sequence[Path]]], out: Path) -> str:
    """`jobs`: the folder of each in `out`, and what it left, of which the JSON files come along."""
    lines: list[Line] = [{"command": command, "settings": configuration_hash(config.model_dump())}]
    for folder, paths in jobs:
        left = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in paths if path.suffix == ".json"}
        if left:
            more = any(path.name not in left for path in paths)
            lines.append({"job": folder.relative_to(out).as_posix(), "more": more, "left": left})
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def whole(folder: Path, without: Collection[Path] = ()) -> tuple[Path, list[Path]]:
    """A job with all that is in its folder, but for what a write that was cut off has left."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return folder, [path for path in paths if not path.name.startswith(".") and path not in without]


def read(command: str, config: Config, path: Path) -> Sequence[Line]:
    """What it tells of each job.

    Raises UsageError for a file of another command or of other settings.
    """
    try:
        first, *rest = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        name, settings = first["command"], first["settings"]
        told = [{"job": str(each["job"]), "more": bool(each["more"]), "left": dict(each["left"])} for each in rest]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"--reuse {path}: not the {JOBS} of a bench or a study ({error})") from None
    if name != command:
        raise UsageError(f"--reuse {path}: it is of `expunge {name}`, this is `expunge {command}`")
    if settings != configuration_hash(config.model_dump()):
        raise UsageError(f"--reuse {path}: it was made with other settings; give the same recipe and options")
    places = [Path(each["job"], name) for each in told for name in each["left"]]
    if outside := [place for place in places if place.is_absolute() or ".." in place.parts]:
        raise UsageError(f"--reuse {path}: {str(outside[0])!r} does not lie in the run's folder")
    return told


def unpack(lines: Iterable[Line], out: Path, last: str) -> None:
    """Put what `read` told where the jobs would have left it, and nothing in place of what is there.

    `last`: the file that says that a job is done, and comes after its others.
    """
    for line in lines:
        for name in sorted(line["left"], key=last.__eq__):
            path = out / line["job"] / name
            if not path.exists():
                with atomic_file(path) as partial:
                    text = json.dumps(line["left"][name], indent=1)
                    partial.write_text(text + "\n", encoding="utf-8", newline="\n")
