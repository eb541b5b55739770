"""The four sets of a run, read and checked whole before any model is loaded."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from expunge.data.checking import check_columns, examples_of
from expunge.data.example import Example, Sets
from expunge.data.hub import PREFIX, read_hub
from expunge.data.overlap import check_overlap
from expunge.data.problems import Place, Problems
from expunge.data.readers import read_table
from expunge.data.rows import Table

Source = str | Path | Sequence[str | Path]


def load_data(
    forget: Source | None = None,
    retain: Source | None = None,
    holdout: Source | None = None,
    twins: Source | None = None,
    columns: Mapping[str, str] | None = None,
) -> Sets:
    """Sets from files (.json, .jsonl, .csv, .parquet) and Hub data sets (`hub:NAME[:CONFIG][:SPLIT]`).

    A source is one name, several separated by commas, or a sequence. `columns` renames:
    {"the file's name": "our field"}. Raises DataError with every problem of every file, ConfigError for a
    renaming to what is no field. What is doubtful but possible stands in `Sets.warnings`.
    """
    problems = Problems()
    given = {"forget": forget, "retain": retain, "holdout": holdout, "twins": twins}
    names = {name: _names(source, name, problems) for name, source in given.items() if source is not None}
    labels = _labels([each for several in names.values() for each in several])
    tables = {name: [_table(each, labels, problems) for each in several] for name, several in names.items()}
    check_columns(columns or {}, [table for several in tables.values() for table in several], problems)
    found = {
        name: tuple(example for table in several for example in examples_of(table, problems, columns))
        for name, several in tables.items()
    }
    for name, examples in found.items():
        _check_weights(name, examples, problems)
    sets = Sets(**found)  # type: ignore[arg-type]
    check_overlap(sets, problems)
    problems.check()
    return replace(sets, warnings=problems.warned())


def load_examples(
    source: Source, columns: Mapping[str, str] | None = None
) -> tuple[tuple[Example, ...], tuple[str, ...]]:
    """One set, as `load_data` reads and checks it, and its warnings: what a model is to be trained on."""
    sets = load_data(retain=source, columns=columns)
    return sets.retain, sets.warnings


def _names(source: Source, role: str, problems: Problems) -> list[str]:
    if isinstance(source, Path) or (isinstance(source, str) and _exists(source)):
        names = [str(source)]
    elif isinstance(source, str):
        names = [name.strip() for name in source.split(",")]
    else:
        names = [str(name) for name in source]
    if not names or not all(names):
        problems.add(Place(role), None, "a file name is missing")
    for name, count in Counter(names).items():
        if count > 1:
            problems.add(Place(name), None, f"stands {count} times in the list for the {role} set")
    return [name for name in dict.fromkeys(names) if name]


def _labels(names: list[str]) -> dict[str, str]:
    """What each file is called: its name, or its path where two files have one name."""
    often = Counter(Path(name).name for name in dict.fromkeys(names))
    return {name: Path(name).name if often[Path(name).name] == 1 else name for name in names}


def _table(name: str, labels: Mapping[str, str], problems: Problems) -> Table:
    if name.startswith(PREFIX):
        return read_hub(name, problems)
    path = Path(name)
    with suppress(RuntimeError):  # "~nobody"
        path = path.expanduser()
    return read_table(path, problems, labels[name])


def _exists(name: str) -> bool:
    """A file whose name has a comma in it is that file; a long list of names may be too long for a path."""
    try:
        return Path(name).exists()
    except OSError:
        return False


def _check_weights(name: str, examples: Sequence[Example], problems: Problems) -> None:
    """The loop divides weights by their mean."""
    if examples and not sum(example.weight for example in examples) > 0:
        problems.add(Place(name), "weight", "is 0 in every row of this set")
