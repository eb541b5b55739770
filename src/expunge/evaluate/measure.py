"""Metrics over sets: observe once, compute all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from expunge.config import EvaluateConfig, parse_name
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.errors import ConfigError
from expunge.evaluate import MetricEntry, metrics
from expunge.evaluate.interval import Resampling
from expunge.evaluate.metric import Metric
from expunge.evaluate.observations import Tick, why_not
from expunge.evaluate.store import Kept, Question, Shelf
from expunge.models.model import Model
from expunge.objectives.options import checked

_Chosen = tuple[MetricEntry, dict[str, object]]


@dataclass(frozen=True)
class Evaluation:
    """Metrics by set and name, and what the model said, by set."""

    metrics: dict[str, dict[str, Metric]] = field(default_factory=dict)
    generations: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # what could not be measured, and why

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

    A metric that a set cannot serve (no prompt to answer, no wrong answers) is absent, and `notes` say why. With
    `kept`, what was observed before is not observed again; `generations` then hold what had to be generated, and all
    of it only where texts may be kept.
    """
    chosen = [_chosen(text) for text in config.metrics]
    result = Evaluation()
    for name, examples in sets.items():
        usable = _usable(name, examples, chosen, result.notes)
        if not usable:
            result.metrics[name] = {}
            continue
        question = Question(
            model, examples, encoder, config.max_new_tokens, config.budget, config.precision == "bfloat16"
        )
        found, said = _metrics(Shelf(kept or Kept(), question), usable, Resampling.of(examples, config.seed), tick)
        result.metrics[name] = found
        if said:
            result.generations[name] = tuple(said)
    if sets and not any(result.metrics.values()):
        raise ConfigError("; ".join(result.notes) + ". That leaves nothing to measure: add a metric that scores")
    return result


def _metrics(
    shelf: Shelf, usable: list[_Chosen], resampling: Resampling, tick: Tick
) -> tuple[dict[str, Metric], list[str]]:
    """All metrics of one set, and what had to be generated for them."""
    asked = [{"options": options, "seed": resampling.seed} for _, options in usable]
    found = [shelf.metric(entry, about) for (entry, _), about in zip(usable, asked)]
    seen = shelf.observe(
        {need for (entry, _), each in zip(usable, found) if each is None for need in entry.needs}, tick
    )
    for i, (entry, options) in enumerate(usable):
        if found[i] is None:
            found[i] = metric = entry(seen.within(entry.span), resampling=resampling, **options)
            shelf.keep_metric(entry, asked[i], metric)
    return {entry.name: metric for (entry, _), metric in zip(usable, found) if metric is not None}, seen.generations


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
