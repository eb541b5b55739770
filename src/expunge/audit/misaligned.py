"""Do what a model says and how likely it finds it tell the same story? M and D for every probability test there is.

The generation test is "says the answer". Probability tests, and when a fact passes: the answer's probability a token
is 1/2 or more; the right answer is likelier than the wrong ones (truth ratio: there is no instruction to follow); it is
the likeliest option (`choice_accuracy`, if it is measured); the balanced true/false test accepts the right answer and
rejects a wrong one (the attack `true_false`, if it is made). After Krishnan et al. 2025, arXiv:2504.05058, whose test
is the last; formulas and the other tests are ours: see `evaluate/misalignment.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from expunge.audit.cells import ORIGINAL, UNLEARNED, Sources, groups_of
from expunge.config import By
from expunge.errors import ConfigError
from expunge.evaluate.misalignment import Misalignment, misalignment
from expunge.frequency.ordering import values_of
from expunge.frequency.strata import buckets
from expunge.record_strata import Misaligned

GENERATION = "generated_contains"
TESTS: Mapping[str, float] = {"probability": 0.5, "truth_ratio": 0.5, "choice_accuracy": 0.5}  # pass from here on
TRUE_FALSE = "true_false"
BOTH = 0.75  # of its scores, 0, 1/2 and 1
Columns = tuple[list[float], list[float]]  # before and after, of every example


def misaligned(sources: Sources, edges: Sequence[float] | None = None, by: By = "count") -> tuple[Misaligned, ...]:
    """Of every set of what must go: on all of it, and bucket by bucket where it has counts.

    Nothing where fewer than 20 examples passed both tests before.
    """
    found = []
    for title in sources.forget:
        counts = values_of(sources.sets[title], by)
        parts = [("", range(len(counts))), *((each.name, each.rows) for each in buckets(counts, edges))]
        said = _metric(sources, title, GENERATION)
        if said is None:
            continue
        groups = groups_of(sources.sets[title])
        for test, passed, asked in _tests(sources, title):
            for name, rows in parts if len(parts) > 2 else parts[:1]:
                one = _one(said, asked, passed, groups, rows)
                if one is not None:
                    found.append(Misaligned(set=title, test=test, bucket=name, **asdict(one)))
    return tuple(found)


def _one(
    said: Columns, asked: Columns, passed: float, groups: Sequence[str], rows: Sequence[int]
) -> Misalignment | None:
    """None where there are too few."""
    columns = [[column[i] for i in rows] for two in (said, asked) for column in two]
    try:
        return misalignment(*columns, probable=passed, groups=[groups[i] for i in rows])
    except ConfigError:
        return None


def _tests(sources: Sources, title: str) -> Iterator[tuple[str, float, Columns]]:
    for name, passed in TESTS.items():
        if (columns := _metric(sources, title, name)) is not None:
            yield name, passed, columns
    if title == sources.attacked and (columns := _true_false(sources)) is not None:
        yield TRUE_FALSE, BOTH, columns


def _metric(sources: Sources, title: str, name: str) -> Columns | None:
    one, two = (sources.models[label].metrics.get(title, {}).get(name) for label in (ORIGINAL, UNLEARNED))
    return None if one is None or two is None else (list(one), list(two))


def _true_false(sources: Sources) -> Columns | None:
    """Examples that the attack could not be made on count as not passed."""
    size, columns = len(sources.sets[sources.attacked]), []
    for label in (ORIGINAL, UNLEARNED):
        texts = sources.models[label].findings
        findings = next((each for text, each in texts.items() if text.partition(":")[0] == TRUE_FALSE), ())
        if not findings:
            return None
        (finding,), values = findings, [0.0] * size
        for row, score in zip(range(size) if finding.rows is None else finding.rows, finding.scores, strict=True):
            values[row] = score
        columns.append(values)
    return columns[0], columns[1]
