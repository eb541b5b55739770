"""The files that a count writes: new, gone on with, or replaced. What the count reads is never one of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from expunge.config import CountConfig
from expunge.data.corpus import kind_of
from expunge.data.example import Example
from expunge.errors import OutputError
from expunge.frequency.index import building
from expunge.frequency.names import Wanted
from expunge.frequency.stream import another_count
from expunge.frequency.words import VERSION
from expunge.record import Record, configuration_hash
from expunge.runs.files import record_at, record_of

_NO_MATTER = ("machines", "processes", "memory")  # who counts changes no number


class Asked(NamedTuple):
    """What a count is of, as digests. Its record has both, so that --resume does not take it for another's."""

    corpus: str
    wanted: str


def wanted_id(examples: Sequence[Example], plan: Wanted | None = None) -> str:
    """A digest of the examples, which the result holds, and of the names and pairs that are looked for in a corpus."""
    looked_for = None if plan is None else (plan.plan, plan.places)
    told = f"{VERSION} {looked_for!r} {[replace(example, source='') for example in examples]!r}"
    return sha256(told.encode("utf-8", "surrogatepass")).hexdigest()


def kept_at(out: Path) -> Path:
    """Where the sums of a count that is not done are kept."""
    return out.with_suffix(".counting.safetensors")


def index_at(config: CountConfig, out: Path) -> Path:
    """The folder of infini-gram's index."""
    return Path(config.index).expanduser() if config.index is not None else out.with_suffix(".index")


def building_at(config: CountConfig, out: Path) -> Path:
    """Where an index lies while it is built."""
    return building(index_at(config, out))


def check_out(config: CountConfig, out: Path, *, resume: bool, overwrite: bool) -> Record | None:
    """May the files be written? Changes nothing. Returns the record of a count of these settings that is done, whose
    corpus and examples may be others: see `check_asked`.

    Raises OutputError for what is there and may not be replaced, before anything is read. The record is written before
    the examples: without them it is of a count that was killed in between.
    """
    if resume and overwrite:
        raise OutputError("--resume goes on with a count and --overwrite throws it away: give one of them")
    if out.suffix != ".jsonl":
        raise OutputError(f"--out {out}: the examples are written as JSON lines; end its name with .jsonl")
    if out.is_dir():
        raise OutputError(f"--out {out}: is a folder; give a file in it")
    before = record_of(record_at(out), out, "count")
    if before is not None and resume:
        _check_same(config, out, before)
        return before if out.exists() else None
    if out.exists() and not overwrite:
        raise OutputError(f"--out {out}: there is such a file. Choose another, or add --overwrite")
    half = kept_at(out).exists() or building_at(config, out).exists()
    if (half or before is not None) and not (resume or overwrite):
        raise OutputError(
            f"--out {out}: a count was interrupted there. Go on with --resume, or begin anew: --overwrite"
        )
    return None


def check_asked(out: Path, before: Record, now: Asked) -> None:
    """Raises OutputError where a count that is done is of something else."""
    was = before.counting
    if was is None or Asked(was.corpus, was.wanted) != now:
        raise another_count(out)


def check_apart(config: CountConfig, out: Path, files: Sequence[Path]) -> None:
    """Raises OutputError where a file would be written over what the count reads, or where the corpus is read from.

    `files` are those of the corpus.
    """
    names = [part for name in (config.forget, *config.forget.split(",")) for part in (name, name.strip())]
    read = {_real(name) for name in (*names, *([config.aliases] if config.aliases else []), *files)}
    for path in _written(config, out):
        if path.resolve() in read:
            raise OutputError(f"--out {out}: {path} would be written, and is read by this count. Choose another name")
        if where := next((name for name in config.corpus if _would_be_read(path, name)), None):
            raise OutputError(
                f"--out {out}: {path} would lie in --corpus {where}, and the next count would read it as text. Choose "
                "another place"
            )


def _written(config: CountConfig, out: Path) -> Iterator[Path]:
    yield from (out, record_at(out), kept_at(out))
    if config.engine == "infini-gram" and config.tokenizer is None:
        yield index_at(config, out)


def _would_be_read(path: Path, corpus: str) -> bool:
    """Whether a folder or a pattern of the corpus names a place. An index is a folder, and has readable files."""
    place = Path(corpus).expanduser()
    folder = kind_of(path) is None and not path.name.endswith(".safetensors")
    if place.is_dir():
        return path.resolve().is_relative_to(place.resolve()) and (folder or kind_of(path) is not None)
    if place.is_file() or kind_of(path) is None:
        return False
    return any(_matches(each.parts, place.absolute().parts) for each in (path.absolute(), path.resolve()))


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """As `glob` does: `**` is any number of folders.

    >>> _matches(("a", "b", "c.txt"), ("**", "*.txt")), _matches(("a", "b.txt"), ("*.txt",))
    (True, False)
    """
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[i:], pattern[1:]) for i in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _real(name: str | Path) -> Path:
    try:
        return Path(name).expanduser().resolve()
    except (OSError, RuntimeError):  # "~nobody"; a list of names that is no path
        return Path(name)


def _check_same(config: CountConfig, out: Path, before: Record) -> None:
    was, now = (_that_matters(each) for each in (before.configuration, config.model_dump(mode="json")))
    if configuration_hash(was) != configuration_hash(now):
        names = [name for name in {**was, **now} if was.get(name) != now.get(name)]
        told = "\n".join(f"  {name}: started with {was.get(name)!r}, now {now.get(name)!r}" for name in names)
        raise OutputError(f"--out {out}: --resume needs the settings it was started with.\n{told}")


def _that_matters(configuration: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in configuration.items() if name not in _NO_MATTER}
