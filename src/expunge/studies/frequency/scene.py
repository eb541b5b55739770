"""One model with what is unlearnt, in buckets of frequency, and what never-known looks like in each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from expunge.config import FrequencyStudyConfig, LoadConfig
from expunge.data.convention import Encoder
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
    groups: Mapping[str, Sequence[Example]]  # what is measured: the forget set in each form, neighbours, retained
    parts: Mapping[str, Mapping[str, Sequence[int]]]  # group → bucket → rows
    selection: Sequence[Example]  # retained rows that choose
    encoder: Encoder

    def never(self) -> dict[str, dict[str, dict[str, float]]]:
        """Form → bucket → level and mean log-probability to a model that never knew, from twins or the holdout set."""
        found: dict[str, dict[str, dict[str, float]]] = {}
        for form in (QUESTION, STATEMENT):
            if form not in self.groups:
                continue
            asked = (lambda each: each) if form == QUESTION else (lambda each: tuple(reworded(each, 0)))
            controls = {"twins": asked(self.sets.twins), "holdout": asked(self.sets.holdout)}
            for part, rows in {ALL: range(len(self.sets.forget)), **self.parts[form]}.items():
                own = replace(self.sets, forget=tuple(self.sets.forget[i] for i in rows), **controls)
                known = never_known(own, self._logs)
                assert known is not None, "the suites of the study have twins or a holdout set"
                found.setdefault(form, {})[part] = {"level": known.level, "log": known.per_example.mean().item()}
        return found

    def only(self, bucket: Bucket) -> Sets:
        """The sets with this bucket alone to be forgotten."""
        return replace(self.sets, forget=tuple(self.sets.forget[i] for i in bucket.rows))

    def _logs(self, examples: Sequence[Example]) -> Any:
        return mean_log_probs(self.model, self.encoder.encode_all(examples), budget=BUDGET)


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
    sets = targeted(suite, config, seed)
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
        parts[NEIGHBOURS] = _same_persons(groups[NEIGHBOURS], sets.forget, found)
    selection, test = (sample_of(half, config.rows, seed) for half in halves(sets.retain, seed))
    return Scene(model, suite, sets, values, found, {**groups, TEST: test}, parts, selection, encoder)


def _same_persons(
    neighbours: Sequence[Example], forget: Sequence[Example], found: Sequence[Bucket]
) -> dict[str, list[int]]:
    """The neighbours' rows by the bucket of their person's fact."""
    whose = {forget[row].group: each.name for each in found for row in each.rows}
    parts: dict[str, list[int]] = {each.name: [] for each in found}
    for row, example in enumerate(neighbours):
        parts[whose[example.group]].append(row)
    return parts
