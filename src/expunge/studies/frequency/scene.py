"""One model with what is unlearnt, in buckets of frequency, and what never-known looks like in each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from expunge.config import FrequencyStudyConfig, LoadConfig
from expunge.data.convention import Encoded, Encoder
from expunge.data.example import Example, Sets
from expunge.data.sampling import sample_of
from expunge.evaluate.observations import reworded
from expunge.frequency.ordering import required_values
from expunge.frequency.proxies import margins
from expunge.frequency.strata import Bucket, buckets
from expunge.models.loading import load_model
from expunge.models.model import Model
from expunge.studies.people import BUDGET, about, is_world, sized, targeted
from expunge.studies.results import write_result
from expunge.suites import Suite
from expunge.train.levels import mean_log_probs, never_known
from expunge.train.selection import halves
from expunge.worlds.finding import find_suite

QUESTION, STATEMENT, NEIGHBOURS, TEST = "question", "statement", "neighbours", "retain, test half"
ALL = "all"
Answers = Sequence[Encoded]  # what is scored of a row: its right answer, and behind it wrong ones
_ELSEWHERE = {QUESTION: "usual wording", STATEMENT: "other wording"}


def asked(form: str, suite: str) -> str:
    """What the report calls a form: only the world is told of in statements.

    >>> asked(STATEMENT, "world:people"), asked(STATEMENT, "world:capitals")
    ('statement', 'other wording')
    """
    return form if is_world(suite) else _ELSEWHERE[form]


@dataclass(frozen=True)
class Scene:
    """A model that knows, and the rows of one seed."""

    model: Model
    suite: Suite
    sets: Sets  # what unlearning takes; the forget set has margins where a form goes by them
    values: Sequence[float | None]  # what the forget set is ordered by
    buckets: tuple[Bucket, ...]  # of the forget set, from rare to frequent
    groups: Mapping[str, Sequence[Answers]]  # what is measured: the forget set in each form, neighbours, retained
    parts: Mapping[str, Mapping[str, Sequence[int]]]  # group → bucket → rows
    selection: Sequence[Encoded]  # retained rows that choose; like those of the test they are not rehearsed
    choosing: Sequence[Example]  # the same rows as examples
    encoder: Encoder

    @property
    def forms(self) -> list[str]:
        """In which the forget set can be asked for."""
        return [form for form in (QUESTION, STATEMENT) if form in self.groups]

    def never(self) -> dict[str, dict[str, dict[str, float]]]:
        """Form → bucket → level and mean log-probability to a model that never knew, from twins or the holdout set."""
        found: dict[str, dict[str, dict[str, float]]] = {}
        for form in self.forms:
            asked = (lambda each: each) if form == QUESTION else (lambda each: tuple(reworded(each, 0)))
            own = replace(self.sets, twins=asked(self.sets.twins), holdout=asked(self.sets.holdout))
            logs = self._logs(own.twins or own.holdout)  # once: buckets differ in whom they speak for only
            for part, rows in {ALL: range(len(own.forget)), **self.parts[form]}.items():
                part_of = replace(own, forget=tuple(own.forget[i] for i in rows))
                known = never_known(part_of, partial(_given, logs))
                assert known is not None, "the suites of the study have twins or a holdout set"
                found.setdefault(form, {})[part] = {"level": known.level, "log": known.per_example.mean().item()}
        return found

    def right(self) -> "Scene":
        """The same without the wrong answers, for arms that are not asked to tell them from right ones."""
        return replace(self, groups={group: [row[:1] for row in rows] for group, rows in self.groups.items()})

    def alone(self, bucket: Bucket) -> "Scene":
        """This bucket alone, to be forgotten and to be measured, in every form; what it costs is not asked."""
        return replace(
            self,
            sets=replace(self.sets, forget=tuple(self.sets.forget[i] for i in bucket.rows)),
            groups={form: [self.groups[form][i][:1] for i in bucket.rows] for form in self.forms},
            parts={form: {bucket.name: range(len(bucket.rows))} for form in self.forms},
            selection=(),
        )

    def _logs(self, examples: Sequence[Example]) -> Tensor:
        return mean_log_probs(self.model, self.encoder.encode_all(examples), budget=BUDGET)


def _given(logs: Tensor, _: Sequence[Example]) -> Tensor:
    return logs


def model(folder: Path, *, config: Mapping[str, Any], size: str, seed: int) -> None:
    """The job: a model of the world is made, or found in the cache."""
    name = f"{sized(FrequencyStudyConfig.model_validate(config).suite, size)}@full#{seed}"
    load_model(name, LoadConfig(device="cpu"))
    write_result(folder, {"model": name})


def scene_of(config: FrequencyStudyConfig, size: str, seed: int, *, margin: bool) -> Scene:
    """The model and the rows of a seed. `margin`: the forget set is rated by its margin, too."""
    name = sized(config.suite, size)
    suite = find_suite(name)
    model = load_model(config.base or f"{name}@full#{seed}", LoadConfig(device="cpu"))
    encoder = Encoder(model.tokenizer, suite.convention)
    sets, selection, test = split(targeted(suite, config, seed), seed)
    if margin or config.by == "margin":
        rated = zip(sets.forget, margins(model, encoder, sets.forget), strict=True)
        sets = replace(sets, forget=tuple(replace(each, margin_proxy=value) for each, value in rated))
    values = required_values(sets.forget, config.by, "by", all_of_them=True)
    found = buckets(values, config.edges)
    groups: dict[str, Sequence[Example]] = {QUESTION: sets.forget}
    if all(each.paraphrases for each in (*sets.forget, *sets.twins, *sets.holdout)):
        groups[STATEMENT] = reworded(sets.forget, 0)
    parts: dict[str, Mapping[str, Sequence[int]]] = {form: {each.name: each.rows for each in found} for form in groups}
    if is_world(config.suite):
        groups[NEIGHBOURS] = sample_of(about(suite.sets.forget, *config.neighbours), 2 * config.rows, seed)
        parts[NEIGHBOURS] = same_persons(groups[NEIGHBOURS], sets.forget, found)
    groups[TEST] = sample_of(test, config.rows, seed)
    chosen = sample_of(selection, config.rows, seed)
    answers = {group: answers_of(encoder, rows, wrong=group == QUESTION) for group, rows in groups.items()}
    return Scene(
        model, suite, sets, values, found, answers, parts, encoder.encode_all(chosen), chosen, encoder
    )  # fmt: skip


def split(sets: Sets, seed: int) -> tuple[Sets, list[Example], list[Example]]:
    """The sets with the half of the retain set that is rehearsed, and what it is judged by: a quarter that chooses and
    one that tests. Rows that are rehearsed stay likely, whatever else is lost."""
    rehearsed, rest = halves(sets.retain, seed)
    selection, test = halves(rest, seed)
    return replace(sets, retain=tuple(rehearsed)), selection, test


def answers_of(encoder: Encoder, rows: Sequence[Example], *, wrong: bool) -> list[Answers]:
    """Of each row the right answer, with the wrong ones if they are wanted and all rows have some."""
    wrong = wrong and all(each.perturbed_answers for each in rows)
    texts = [(each.answer, *(each.perturbed_answers if wrong else ())) for each in rows]
    encoded = iter(encoder.encode_many((row, None, text) for row, own in zip(rows, texts) for text in own))
    return [[next(encoded) for _ in own] for own in texts]


def same_persons(
    neighbours: Sequence[Example], forget: Sequence[Example], found: Sequence[Bucket]
) -> dict[str, list[int]]:
    """The neighbours' rows by the bucket of their person's fact; buckets without any are not there."""
    whose = {forget[row].group: each.name for each in found for row in each.rows}
    parts: dict[str, list[int]] = {each.name: [] for each in found}
    for row, example in enumerate(neighbours):
        parts[whose[example.group]].append(row)
    return {name: rows for name, rows in parts.items() if rows}
