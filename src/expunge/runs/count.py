"""The run behind `expunge count`: the examples of a set with how often each stands in a corpus."""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple

from expunge.config import CountConfig, differing
from expunge.data.corpus import Load, files_of, loads_of
from expunge.data.documents import check_readable
from expunge.data.example import Example
from expunge.data.sets import load_examples
from expunge.data.writing import write_examples
from expunge.errors import DataError
from expunge.frequency.crew import check_machines
from expunge.frequency.names import Wanted, wanted
from expunge.frequency.ordering import FIELDS
from expunge.frequency.searching import automaton
from expunge.frequency.stream import count_stream
from expunge.frequency.tally import Counts, counts_of
from expunge.provenance import peak_memory, platform_facts, versions
from expunge.record import Record
from expunge.record_count import Counting
from expunge.record_file import save_record
from expunge.runs.counting_files import (
    Asked,
    building_at,
    check_apart,
    check_asked,
    check_out,
    kept_at,
    record_at,
    wanted_id,
)
from expunge.runs.counting_index import check_index, corpus_read, count_in_index
from expunge.runs.counting_proxy import check_proxies, rated, rating, said_of
from expunge.runs.phases import Phases


class Found(NamedTuple):
    """What an engine gives."""

    counts: Sequence[Counts]  # of each pair of the plan
    documents: int | None = None
    empty: int = 0
    notes: tuple[str, ...] = ()


def run_count(
    config: CountConfig,
    out: Path,
    *,
    arguments: Sequence[str] = (),
    resume: bool = False,
    overwrite: bool = False,
    phases: Phases | None = None,
) -> Record:
    """Count, and write the examples to `out` and the record beside them.

    Everything that can be wrong is found before the corpus is read. A count of the same with these settings that is
    done is not made again with `resume`.

    Raises ConfigError, DataError, OutputError or MissingExtraError; RunError for a file that breaks off.
    """
    phases = phases or Phases()
    done = check_out(config, out, resume=resume, overwrite=overwrite)
    if config.proxy is not None:
        return _rate(config, out, arguments, phases, done)
    examples, warnings = load_examples(config.forget, config.columns)
    plan = wanted(examples, read_aliases(config.aliases), config.window)
    files = files_of(config.corpus) if config.corpus else []
    loads = loads_of(files, config.documents)
    asked = Asked(corpus_read(config, out, loads), wanted_id(examples, plan))
    if done is not None:
        return _as_it_is(done, out, asked, phases)
    _check_engine(config, out)
    notes = [*warnings, *_doubts(examples, plan)]
    check_apart(config, out, files)
    check_readable(files, config.field)
    for note in notes:
        phases.say(note)
    if overwrite:
        kept_at(out).unlink(missing_ok=True)
        shutil.rmtree(building_at(config, out), ignore_errors=True)
    if config.engine == "stream":
        found = _stream(config, plan, loads, kept_at(out), phases)
    else:
        found = Found(*count_in_index(config, examples, plan, loads, out, phases))
    counts = [None if place is None else found.counts[place] for place in plan.places]
    counting = _counting(config, files, counts, found).model_copy(update=asked._asdict())
    record = _record(config, arguments, counting, tuple(_said(counting)), phases, (*notes, *found.notes))
    _write(record, out, list(counted_examples(examples, counts)), map(_columns, counts))
    kept_at(out).unlink(missing_ok=True)
    return record


def _as_it_is(done: Record, out: Path, asked: Asked, phases: Phases) -> Record:
    check_asked(out, done, asked)
    phases.say(f"{out} holds a count with these settings that is done")
    kept_at(out).unlink(missing_ok=True)
    return done


def _rate(config: CountConfig, out: Path, arguments: Sequence[str], phases: Phases, done: Record | None) -> Record:
    """A proxy in place of counts: nothing is counted, and counts that examples bring stay."""
    assert config.proxy is not None
    examples, warnings = load_examples(config.forget, config.columns)
    asked = Asked("", wanted_id(examples))
    if done is not None:
        return _as_it_is(done, out, asked, phases)
    check_apart(config, out, ())
    check_proxies(config, examples)
    values = rated(config, examples, phases)
    counting = rating(config.proxy, examples, values).model_copy(update=asked._asdict())
    told = said_of(counting, config.proxy, out)
    record = _record(config, arguments, counting, told, phases, warnings)
    field = FIELDS[config.proxy]
    _write(record, out, [replace(e, **{field: value}) for e, value in zip(examples, values, strict=True)])
    return record


def _record(
    config: CountConfig, arguments: Sequence[str], counting: Counting, said: tuple[str, ...], phases: Phases,
    warnings: tuple[str, ...],
) -> Record:  # fmt: skip
    return Record(
        command="count", arguments=tuple(arguments), status="done", configuration=config.model_dump(),
        changed=differing(config), versions=versions(), platform=platform_facts("cpu"), counting=counting,
        headline=said, seconds=phases.seconds, peak_memory=peak_memory(), warnings=warnings,
    )  # fmt: skip


def _write(
    record: Record, out: Path, examples: Sequence[Example], beside: Iterable[Mapping[str, Any]] | None = None
) -> None:
    """Examples without their record could not be told from a file of somebody else: they come last."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)
    save_record(record, record_at(out))
    write_examples(examples, out, beside)


def counted_examples(examples: Sequence[Example], counts: Sequence[Counts | None]) -> Iterator[Example]:
    """The examples with their counts; one that was not counted stays as it is."""
    for example, each in zip(examples, counts, strict=True):
        yield example if each is None else replace(example, count=each.both)


def read_aliases(name: str | None) -> dict[str, list[str]]:
    """{"a name": ["other", "names"]}. Raises DataError for a file that is something else."""
    if name is None:
        return {}
    try:
        found = json.loads(Path(name).expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"--aliases {name}: cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise DataError(f'--aliases {name}: expected {{"a name": ["other names"]}}, found a {type(found).__name__}')
    for key, several in found.items():
        if not isinstance(several, list) or not all(isinstance(each, str) for each in several):
            raise DataError(f"--aliases {name}: the other names of {key!r} must be a list of texts")
    return found


def _check_engine(config: CountConfig, out: Path) -> None:
    if config.engine == "stream":
        automaton([b" "])
        check_machines(config.machines)
    else:
        check_index(config, out)


def _stream(config: CountConfig, plan: Wanted, loads: Sequence[Load], kept: Path, phases: Phases) -> Found:
    total = sum(piece.size for load in loads for piece in load)
    with phases.phase("counting, kB", total // 1000) as tick:
        tally = count_stream(
            plan.plan, loads, kept=kept, machines=config.machines, processes=config.processes, field=config.field,
            tick=lambda size: tick(size // 1000),
        )  # fmt: skip
    documents, empty = (int(each) for each in tally.read)
    return Found(counts_of(plan.plan, tally), documents, empty, tuple(_unread(documents, empty)))


def _unread(documents: int, empty: int) -> Iterator[str]:
    if empty:
        yield f"{empty:,} of {documents + empty:,} rows of the corpus hold no text (broken JSON, or no such field)"


def _doubts(examples: Sequence[Example], plan: Wanted) -> Iterator[str]:
    """Raises DataError where nothing can be counted."""
    lacking = sum(place is None for place in plan.places)
    if lacking == len(examples):
        raise DataError(
            "no example can be counted: a fact is a `subject` and an `answer`, and no example names its subject (or it "
            "has no word). Add the column `subject`, or rename one with --columns NAME=subject"
        )
    if lacking:
        yield f"{lacking} of {len(examples)} examples name no subject, or are documents: they are not counted"
    if plan.within:
        yield (
            f"of {plan.within} examples the answer stands in the subject or the reverse: there both stand together "
            "wherever one stands"
        )


def _columns(counts: Counts | None) -> Mapping[str, Any]:
    """The columns beside `count`."""
    if counts is None:
        return {}
    found = {
        "subject_count": counts.subject, "answer_count": counts.answer, "document_count": counts.documents,
        "near_count": counts.near, "count_is_estimate": counts.estimate or None,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


def _counting(config: CountConfig, files: Sequence[Path], counts: Sequence[Counts | None], found: Found) -> Counting:
    both = sorted(each.both for each in counts if each is not None)
    within = f"places of the rarer within {config.window} {'tokens' if config.tokenizer else 'words'} of the other"
    cuts = quantiles(both, n=4, method="inclusive") if len(both) > 1 else [both[0]] * 3
    return Counting(
        engine=config.engine, together="documents with both" if config.window is None else within, files=len(files),
        bytes=sum(path.stat().st_size for path in files), documents=found.documents, empty=found.empty,
        examples=len(counts), counted=len(both), found=sum(each > 0 for each in both),
        estimates=sum(each is not None and each.estimate for each in counts),
        quantiles=dict(zip(("0", "1/4", "1/2", "3/4", "1"), map(float, (both[0], *cuts, both[-1])))),
    )  # fmt: skip


def _said(counting: Counting) -> Iterator[str]:
    low, middle, high = (counting.quantiles[name] for name in ("0", "1/2", "1"))
    where = "" if counting.documents is None else f" of {counting.documents:,} documents"
    yield f"{counting.found} of {counting.counted} facts stand in the corpus{where}"
    yield f"counts ({counting.together}): from {low:,.0f} to {high:,.0f}, half of them up to {middle:,.0f}"
    if counting.estimates:
        yield f"{counting.estimates} counts are estimates: a name has more places than --limit"
