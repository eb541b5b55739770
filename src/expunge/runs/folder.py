"""The output folder of a run: new, resumed, or overwritten, never mixed."""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from expunge.errors import DataError, OutputError
from expunge.record import Record, configuration_hash
from expunge.record_file import load_record, record_path
from expunge.runs.written import strangers

CHECKPOINTS = "checkpoints"
MASK = "mask.safetensors"  # which weights may change, where a run found that out itself


def claim(out: Path, configuration: Mapping[str, Any], *, resume: bool | None, overwrite: bool) -> Record | None:
    """Make the folder ready: with `overwrite` an earlier run in it goes now. Returns and raises as `check`.

    The folder itself stays: it may be a link, or the place where a disk is mounted. The record goes last: without it
    what a kill leaves could not be told from somebody else's.
    """
    record = check(out, configuration, resume=resume, overwrite=overwrite)
    place = out.resolve()
    place.mkdir(parents=True, exist_ok=True)
    for each in sorted(place.iterdir(), key=lambda each: each == record_path(place)) if overwrite else ():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        else:
            each.unlink()
    return record


def check(out: Path, configuration: Mapping[str, Any], *, resume: bool | None, overwrite: bool) -> Record | None:
    """May the folder be written? Changes nothing. Returns the record of the run that is resumed, if there is one.

    `resume` is None for a command without that option. Raises OutputError when the folder holds something and neither
    option says what to do with it, when it holds a run with other settings, or when both options are given.
    """
    if resume and overwrite:
        raise OutputError("--resume goes on with a run and --overwrite throws it away: give one of them")
    _check_place(out)
    if not out.exists() or not any(out.iterdir()):
        return None
    if overwrite:
        _check_ours(out)
        return None
    if not resume:
        options = "--overwrite" if resume is None else "--resume or --overwrite"
        raise OutputError(f"--out {out}: the folder is not empty. Choose another, or add {options}")
    if not record_path(out).exists():
        raise OutputError(f"--out {out}: there is no record.json to resume from. Choose another folder or --overwrite")
    record = load_record(out)
    if record.configuration_hash != configuration_hash(dict(configuration)):
        raise OutputError(
            f"--out {out}: --resume needs the settings it was started with.\n{_compare(record, configuration)}"
        )
    return record


def check_inputs(out: Path, names: Sequence[str | None], *, overwrite: bool) -> None:
    """Raises OutputError when `overwrite` would throw away what the run is to read (a model, a change, a set)."""
    if not overwrite:
        return
    for part in (part for name in names if name for part in _parts(name)):
        with suppress(OSError, RuntimeError):  # no path: a long list of names, or "~nobody"
            path = Path(part).expanduser()
            if path.resolve().is_relative_to(out.resolve()) and path.exists():
                raise OutputError(
                    f"--out {out}: --overwrite would delete {part}, which this run reads. Choose another place"
                )


def _parts(name: str) -> list[str]:
    """All that may be a path: the name itself, models and files of BASE+CHANGE and of a list, FILE of FILE#PART."""
    parts = (name, *(part.strip() for part in re.split(r"[+,]", name)))
    return [part for each in parts for part in (each, each.rpartition("#")[0]) if part]


def check_free(out: Path, *, resume: bool, overwrite: bool) -> None:
    """What can be said of the folder before the settings are whole. Raises as `check`."""
    if resume and overwrite:
        check(out, {}, resume=True, overwrite=True)
    if not resume:
        check(out, {}, resume=False, overwrite=overwrite)


def _check_place(out: Path) -> None:
    """OutputError now rather than after an hour."""
    place = out.resolve()
    there = next(path for path in (place, *place.parents) if path.exists())
    if not there.is_dir():
        raise OutputError(f"--out {out}: {there} is a file; give a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(f"--out {out}: no permission to write in {there}; choose another folder")


def discard(out: Path) -> bool:
    """Take away what a run that could not begin has written, and its folder.

    False, and all stays, where there is more: without its record the folder could be neither resumed nor overwritten.
    """
    record = record_path(out)
    done = (each for kind in ("step-*", "circuits*.json") for each in (out / CHECKPOINTS).rglob(kind))  # CLUE's, too
    if any(done) or {each.name for each in out.iterdir()} - {
        record.name, MASK, CHECKPOINTS,
    }:  # fmt: skip
        return False
    record.unlink(missing_ok=True)
    (out / MASK).unlink(missing_ok=True)
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
    with suppress(OSError):
        out.rmdir()
    return True


def _check_ours(out: Path) -> None:
    """A folder in which all is what an earlier run wrote may be emptied; anything else is not ours to delete."""
    only = f"--out {out}: --overwrite only replaces a run's folder, and"
    if not record_path(out).exists():
        raise OutputError(f"{only} there is no record.json in it")
    try:
        record = load_record(out)
    except DataError as error:
        raise OutputError(f"{only} the record.json in it is none that can be read here: {error}") from None
    others = strangers(out, record)
    if others is None:
        raise OutputError(f"{only} its record.json is of `expunge {record.command}`, which makes none")
    if others:
        more = f" (and {len(others) - 1} more)" if len(others) > 1 else ""
        raise OutputError(
            f"{only} {others[0]}{more} in it is none of what `expunge {record.command}` writes. Move it away, or "
            "choose another folder"
        )


def _compare(record: Record, configuration: Mapping[str, Any]) -> str:
    before, now = _flat(record.configuration), _flat(configuration)
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return "\n".join(f"  {name}: started with {before.get(name)!r}, now {now.get(name)!r}" for name in names)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = list(value) if isinstance(value, tuple) else value
    return flat
