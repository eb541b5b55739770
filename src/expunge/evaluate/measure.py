"""Metrics over sets: observe once, compute all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from expunge.config import EvaluateConfig, parse_name
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.errors import ConfigError
from expunge.evaluate import MetricEntry, metrics
from expunge.evaluate.interval import Resampling
from expunge.evaluate.membership import SUFFIX, membership
from expunge.evaluate.metric import Metric
from expunge.evaluate.observations import RIGHT, Tick, why_not
from expunge.evaluate.store import Kept, Question, Shelf
from expunge.models.model import Model
from expunge.objectives.options import checked

_Chosen = tuple[MetricEntry, dict[str, object]]
_UNASKED = ("loss", "min_k")  # membership scores that cost nothing where answers are scored


@dataclass(frozen=True)
class Evaluation:
    """Metrics by set and name, what the model said by set, and what is told from two sets together."""

    metrics: dict[str, dict[str, Metric]] = field(default_factory=dict)
    generations: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # what could not be measured, and why
    between: dict[str, Metric] = field(default_factory=dict)  # forget against holdout: AUC by membership score

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

    With `kept`, what was observed before is not observed again; `generations` then hold what had to be generated, and
    all of it only where texts may be kept.
    """
    chosen = [_chosen(text) for text in config.metrics]
    result = Evaluation()
    pair: dict[str, _Asked] = {}
    for name, examples in sets.items():
        usable = _usable(name, examples, chosen, result.notes)
        if not usable:
            result.metrics[name] = {}
            continue
        asked = _Asked(Shelf(kept or Kept(), Question.of(model, examples, encoder, config)), usable)
        result.metrics[name], said = asked.metrics(Resampling.of(examples, config.seed), tick)
        if name in ("forget", "holdout"):
            pair[name] = asked
        if said:
            result.generations[name] = tuple(said)
    if sets and not any(result.metrics.values()):
        raise ConfigError("; ".join(result.notes) + ". That leaves nothing to measure: add a metric that scores")
    if len(pair) == 2:
        drawn = [Resampling.of(sets[name], config.seed) for name in ("forget", "holdout")]
        result.between.update(_between(pair["forget"], pair["holdout"], chosen, drawn))
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
        return {e.name: m for (e, _), m in zip(self.usable, found) if m is not None}, seen.generations

    @property
    def scored(self) -> bool:
        """Whether right answers are scored in any case."""
        return any(RIGHT & set(entry.needs) for entry, _ in self.usable)


def _between(
    forget: _Asked, holdout: _Asked, chosen: list[_Chosen], drawn: list[Resampling]
) -> Iterator[tuple[str, Metric]]:
    """The AUC of each membership score that both sets have."""
    scores = [each for each in chosen if each[0].membership]
    if not scores and forget.scored and holdout.scored:
        scores = [(metrics.get(name), {}) for name in _UNASKED]
    # drawn as in the sets' own tables, so that what was kept serves both
    sides = [_Asked(each.shelf, scores).metrics(draw)[0] for each, draw in zip((forget, holdout), drawn)]
    for entry, _ in scores:
        ours, theirs = (each[entry.name].per_example for each in sides)
        yield f"{entry.name}{SUFFIX}", membership(ours, theirs, *drawn).auc


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


def check_metrics(config: EvaluateConfig) -> None:
    """Raises UnknownNameError or ConfigError for a metric that does not exist or an option that it does not have."""
    for text in config.metrics:
        _chosen(text)


def _chosen(text: str) -> _Chosen:
    """A metric and its checked options from NAME:key=value."""
    name, options = parse_name(text)
    entry = metrics.get(name)
    known = entry.options
    if unknown := [key for key in options if key not in known]:
        listed = ", ".join(known) or "none"
        raise ConfigError(f"metric {name!r} has no option {unknown[0]!r}. Known: {listed}")
    return entry, {
        key: checked(f"option {key!r} of {name!r}", value, known[key].annotation) for key, value in options.items()
    }
