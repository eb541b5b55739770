"""Metrics over sets: observe once, compute all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from expunge.config import EvaluateConfig, parse_name
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.data.room import cut_off, room
from expunge.errors import ConfigError
from expunge.evaluate import MetricEntry, metrics
from expunge.evaluate.interval import Resampling
from expunge.evaluate.membership import SUFFIX, membership
from expunge.evaluate.metric import Metric
from expunge.evaluate.observations import RIGHT, Tick, why_not
from expunge.evaluate.store import Kept, Question, Shelf
from expunge.models.model import Model
from expunge.objectives.options import options_among

_Chosen = tuple[MetricEntry, dict[str, object]]
_UNASKED = ("loss", "min_k")  # membership scores that cost nothing where answers are scored


@dataclass(frozen=True)
class Evaluation:
    """Metrics by set and name, what the model said by set, and what is told from two sets together."""

    metrics: dict[str, dict[str, Metric]] = field(default_factory=dict)
    generations: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # what could not be measured, and why
    between: dict[str, Metric] = field(default_factory=dict)  # forget against holdout: AUC by membership score
    max_new_tokens: int | None = None  # that answers could have; None: nothing was asked

    def __getitem__(self, name: str) -> dict[str, Metric]:
        return self.metrics[name]


def measure(
    model: Model,
    sets: Mapping[str, Sequence[Example]],
    encoder: Encoder,
    config: EvaluateConfig,
    *,
    tick: Tick = lambda _: None,
    kept: Kept | None = None,
) -> Evaluation:
    """Every metric of `config` on every set.

    A metric that a set cannot serve (no prompt to answer, no wrong answers) is absent, and `notes` say why. With a
    forget and a holdout set the AUCs of the membership scores among the metrics come too; of loss and Min-K if there
    are none.

    Without `config.max_new_tokens` the longest right answer of all sets has room; where a number cuts some, `notes` say
    how many.

    With `kept`, what was observed before is not observed again; `generations` then hold what had to be generated, and
    all of it only where texts may be kept.
    """
    check_served(sets, config)
    chosen = _all_chosen(config)
    limit = (config.max_new_tokens or room(sets.values(), encoder)) if _asks(chosen) else None
    config, result = config.model_copy(update={"max_new_tokens": limit}), Evaluation(max_new_tokens=limit)
    pair: dict[str, _Asked] = {}
    for name, examples in sets.items():
        usable = _usable(name, examples, chosen, result.notes)
        if not usable:
            result.metrics[name] = {}
            continue
        if limit and _asks(usable) and (cut := cut_off(examples, encoder, limit)):
            result.notes.append(f"{name}: {cut}")
        asked = _Asked(Shelf(kept or Kept(), Question.of(model, examples, encoder, config)), usable)
        result.metrics[name], said = asked.metrics(Resampling.of(examples, config.seed), tick)
        if name in ("forget", "holdout"):
            pair[name] = asked
        if said:
            result.generations[name] = tuple(said)
    if len(pair) == 2:
        drawn = {name: Resampling.of(sets[name], config.seed) for name in ("forget", "holdout")}
        scores = [_membership_scores(result.metrics[name], pair[name], chosen, drawn[name]) for name in drawn]
        for score in scores[0]:
            if score in scores[1]:
                auc = membership(scores[0][score], scores[1][score], *drawn.values()).auc
                options = next((o for entry, o in chosen if entry.name == score), {})
                result.between[score + SUFFIX] = _noted(auc, metrics.get(score), options)
    return result


@dataclass(frozen=True)
class _Asked:
    """One set and the metrics that it can serve."""

    shelf: Shelf
    usable: list[_Chosen]

    def metrics(self, resampling: Resampling, tick: Tick = lambda _: None) -> tuple[dict[str, Metric], list[str]]:
        """All of them, from the store or computed now, and what had to be generated for them."""
        drawn = {"seed": resampling.seed, "draws": resampling.draws, "level": resampling.level}
        asked = [{"options": options, **drawn} for _, options in self.usable]
        found = [self.shelf.metric(entry, about) for (entry, _), about in zip(self.usable, asked)]
        missing = [entry for (entry, _), each in zip(self.usable, found) if each is None]
        seen = self.shelf.observe({need for entry in missing for need in entry.needs}, tick)
        for i, (entry, options) in enumerate(self.usable):
            if found[i] is None:
                found[i] = metric = entry(seen.within(entry.span), resampling=resampling, **options)
                self.shelf.keep_metric(entry, asked[i], metric)
        told = {e.name: _noted(m, e, options) for (e, options), m in zip(self.usable, found) if m is not None}
        return told, seen.generations

    @property
    def scored(self) -> bool:
        """Whether right answers are scored in any case."""
        return any(RIGHT & set(entry.needs) for entry, _ in self.usable)


def _membership_scores(
    found: Mapping[str, Metric], asked: _Asked, chosen: list[_Chosen], resampling: Resampling
) -> dict[str, Sequence[float]]:
    """Those that were asked for, else those that the scored answers give."""
    if names := [entry.name for entry, _ in chosen if entry.membership]:
        return {name: found[name].per_example for name in names}
    free = [(metrics.get(name), {}) for name in _UNASKED] if asked.scored else []
    return {name: each.per_example for name, each in _Asked(asked.shelf, free).metrics(resampling)[0].items()}


def _usable(name: str, examples: Sequence[Example], chosen: list[_Chosen], notes: list[str]) -> list[_Chosen]:
    """The metrics that this set can serve; `notes` get what it cannot, and where the answer stands for a paraphrase."""
    usable: list[_Chosen] = []
    absent: dict[str, list[str]] = {}
    for entry, options in chosen:
        if reasons := [why for need in entry.needs if (why := why_not(need, examples))]:
            absent.setdefault(reasons[0], []).append(entry.name)
        else:
            usable.append((entry, options))
    notes += [f"{name}: {why}, so without {', '.join(metrics)}" for why, metrics in absent.items()]
    took = [entry.name for entry, _ in usable if "paraphrased_logprobs" in entry.needs]
    if took and all(example.paraphrased_answer is None for example in examples):
        notes.append(f"{name}: has no paraphrased answers, so {', '.join(took)} takes the answer itself")
    return usable


def _asks(chosen: list[_Chosen]) -> bool:
    """Whether an answer is generated for one of the metrics."""
    return any("generations" in entry.needs for entry, _ in chosen)


def check_served(sets: Mapping[str, Sequence[Example]], config: EvaluateConfig) -> None:
    """ConfigError where no set can serve any of the metrics."""
    chosen, notes = [_chosen(text) for text in config.metrics], list[str]()
    served = [_usable(name, examples, chosen, notes) for name, examples in sets.items()]  # each of them adds to notes
    if sets and not any(served):
        raise ConfigError("; ".join(notes) + ". That leaves nothing to measure: add a metric that scores")


def check_metrics(config: EvaluateConfig) -> None:
    """Raises UnknownNameError or ConfigError for a metric that does not exist or is named twice, and for an option that
    it does not have.
    """
    _all_chosen(config)


def _all_chosen(config: EvaluateConfig) -> list[_Chosen]:
    """ConfigError for a metric that is named twice: results go by names, so one of the two would be lost."""
    chosen = [_chosen(text) for text in config.metrics]
    names = [entry.name for entry, _ in chosen]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"the metric {twice[0]!r} is named twice: measure one of them in a run of its own")
    return chosen


def _noted(metric: Metric, entry: MetricEntry, options: Mapping[str, object]) -> Metric:
    """With the options that are not the usual ones in its note."""
    own = [f"{key}={value}" for key, value in options.items() if value != entry.options[key].default]
    return replace(metric, note="; ".join(filter(None, (*own, metric.note))))


def _chosen(text: str) -> _Chosen:
    """A metric and its checked options from NAME:key=value."""
    name, options = parse_name(text)
    entry = metrics.get(name)
    return entry, options_among(f"metric {name!r}", entry.options, options)
