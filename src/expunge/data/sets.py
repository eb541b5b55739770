"""The four sets of a run, read and checked whole before any model is loaded."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from expunge.data.checking import check_columns, examples_of
from expunge.data.edit_sets import PARTS, Part, kind_of_file, part_of_file
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

    A source is one name, several separated by commas, or a sequence. The file of an editing benchmark gives its facts,
    as retain set what must stay beside them, and as FILE#PART that part (`edit_sets.py`). `columns` renames:
    {"the file's name": "our field"}. Raises DataError with every problem of every file, ConfigError for a
    renaming to what is no field. What is doubtful but possible stands in `Sets.warnings`.
    """
    given = {"forget": forget, "retain": retain, "holdout": holdout, "twins": twins}
    return _load(given, columns, {"retain": "locality"})


def load_examples(
    source: Source, columns: Mapping[str, str] | None = None
) -> tuple[tuple[Example, ...], tuple[str, ...]]:
    """One set, as `load_data` reads and checks it, and its warnings: what a model is to be trained on."""
    sets = _load({"retain": source}, columns, {})
    return sets.retain, sets.warnings


def _load(given: Mapping[str, Source | None], columns: Mapping[str, str] | None, parts: Mapping[str, Part]) -> Sets:
    """`parts`: which part of an editing benchmark's file a role takes, if not its facts."""
    problems = Problems()
    names = {name: _names(source, name, problems) for name, source in given.items() if source is not None}
    labels = _labels([each for several in names.values() for each in several])
    tables = {
        role: [_table(each, parts.get(role, "facts"), labels, problems) for each in several]
        for role, several in names.items()
    }
    check_columns(columns or {}, [table for several in tables.values() for table, _ in several], problems)
    found = {
        name: tuple(e for table, own in several for e in examples_of(table, problems, {**own, **(columns or {})}))
        for name, several in tables.items()
    }
    for name, examples in found.items():
        _check_weights(name, examples, problems)
    sets = Sets(**found)  # type: ignore[arg-type]
    check_overlap(sets, problems)
    problems.check()
    return replace(sets, warnings=problems.warned())


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
    places = {name: _split(name)[0] for name in names}
    often = Counter(Path(place).name for place in dict.fromkeys(places.values()))
    return {name: Path(place).name if often[Path(place).name] == 1 else place for name, place in places.items()}


def _table(name: str, part: Part, labels: Mapping[str, str], problems: Problems) -> tuple[Table, Mapping[str, str]]:
    """The rows, and which columns are which fields where that is not told by their names."""
    place, wanted = _split(name)
    if place.startswith(PREFIX):
        table = read_hub(place, problems)
    else:
        path = Path(place)
        with suppress(RuntimeError):  # "~nobody"
            path = path.expanduser()
        table = read_table(path, problems, labels[name])
    if kind_of_file(table) is not None:
        return part_of_file(table, wanted or part, problems)
    if wanted and table.rows:
        what = f"has no {wanted}: #{wanted} is a part of the files of CounterFact, zsRE and KnowEdit"
        problems.add(Place(table.file), None, what)
    return table, {}


def _split(name: str) -> tuple[str, Part | None]:
    """FILE#PART; a file whose name ends like that is that file."""
    place, mark, part = name.rpartition("#")
    found: Part | None = next((each for each in PARTS if each == part), None)
    if not mark or found is None or _exists(name):
        return name, None
    return place, found


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
