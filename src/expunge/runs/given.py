"""What a run was given, so that --resume neither goes on with something else nor takes a result for another's.

Sets count by their examples, other files by their bytes. The model counts by its weights, and by what hangs on it. Of
a run that is done it need not be loaded for that while its files have the names, sizes and times that they had; a name
that stands for no file here (of the Hub, or built in) is then taken at its word.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from expunge.data.example import Example, Sets
from expunge.errors import OutputError
from expunge.models.loading import base_of
from expunge.provenance import digest_of_file
from expunge.record import ModelInfo, Record
from expunge.runs.sets import digest_of
from expunge.suites import Suite

Say = Callable[[str], object]
_OURS = ("record.json", "report.html")  # in a folder that a run wrote: a report may be renewed


def given_sets(
    sets: Sets, suite: Suite | None = None, further: Mapping[str, Sequence[Example]] | None = None
) -> dict[str, str]:
    """Digests of all sets of a run that have examples: the four, those that a suite only measures, and `further`."""
    only = {} if suite is None else {**suite.probes, **suite.utility}
    every = {**only, **dict(sets.named()), **(further or {})}
    return {name: digest_of(examples) for name, examples in every.items() if examples}


def given_files(*names: str | None) -> dict[str, str]:
    """Digests of the files that names lead to: a file, a folder with a model, or BASE+CHANGE."""
    found = {}
    for name in filter(None, names):
        if paths := list(_files(name)):
            told = " ".join(f"{path.name} {digest_of_file(path)}" for path in paths)
            found[name] = sha256(told.encode("utf-8", "surrogateescape")).hexdigest()
    return found


def files_of_model(name: str) -> str:
    """A digest of the names, sizes and times of a model's files; "" where the name stands for none here."""
    stats = [(path.name, path.stat()) for path in _files(name)]
    told = " ".join(f"{name!r} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats)
    return sha256(told.encode("utf-8", "surrogateescape")).hexdigest() if stats else ""


def done_with(out: Path, before: Record | None, given: Mapping[str, str], model: str, say: Say) -> Record | None:
    """The record of a run that is resumed, if it is done and its model's files are what they were.

    Raises OutputError where it had other data. A run from before they were recorded is not asked.
    """
    was = before.given if before is not None else {}
    if was and (names := [name for name in {**was, **given} if was.get(name) != given.get(name)]):
        raise OutputError(
            f"--out {out}: --resume needs the data it was started with, and these are others now: {', '.join(names)}. "
            "Give what they were, or begin anew with --overwrite"
        )
    files = before.model.files if before is not None and before.model is not None else ""
    return _if_done(out, before, say) if files in ("", files_of_model(model)) else None


def done_on(out: Path, before: Record | None, model: ModelInfo, say: Say) -> Record | None:
    """The same once the model is loaded. Raises OutputError where it has other weights than that of the run."""
    was = before.model.digest if before is not None and before.model is not None else ""
    if was not in ("", model.digest):
        raise OutputError(
            f"--out {out}: --resume needs the model it was started with, and {model.name} has other weights now. Give "
            "the one that it was, or begin anew with --overwrite"
        )
    return _if_done(out, before, say)


def _if_done(out: Path, before: Record | None, say: Say) -> Record | None:
    if before is None or before.status != "done":
        return None
    say(f"{out} holds a run with these settings that is done")
    return before


def _files(name: str) -> Iterator[Path]:
    path = Path(name).expanduser()
    if path.is_dir():
        yield from sorted(each for each in path.iterdir() if each.is_file() and each.name not in _OURS)
        if (path / "adapter_config.json").is_file():
            yield from _files(base_of(path))
    elif path.is_file():
        yield path
    elif "+" in name:
        base, _, change = name.rpartition("+")
        for part in filter(None, (base, change)):
            yield from _files(part)
