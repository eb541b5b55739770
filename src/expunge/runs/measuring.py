"""Measuring a model on the sets of a run, with progress."""

from collections.abc import Iterable, Mapping

from expunge.config import EvaluateConfig
from expunge.data.convention import Encoder
from expunge.evaluate import glossary, metrics
from expunge.evaluate.measure import Evaluation, check_served, measure
from expunge.evaluate.membership import SUFFIX, reading
from expunge.evaluate.store import Kept
from expunge.models.attaching import identity_of
from expunge.models.cache import cache_folder
from expunge.models.model import Model
from expunge.parameters import parameters_of
from expunge.record import Measured as MeasuredJSON
from expunge.record import ModelInfo, Reading
from expunge.runs.given import files_of_model
from expunge.runs.phases import Phases
from expunge.runs.sets import Measured

OBSERVATIONS = "observations"  # folder of the cache


def measure_sets(
    model: Model,
    sets: Mapping[str, Measured],
    encoder: Encoder,
    config: EvaluateConfig,
    phases: Phases,
    what: str,
    kept: Kept | None = None,
) -> Evaluation:
    """All metrics on all sets, none without metrics; what `kept` has of this model is not measured again."""
    if not config.metrics:
        return Evaluation({name: {} for name in sets})
    total = sum(len(each.examples) for each in sets.values())
    examples = {name: each.examples for name, each in sets.items()}
    with phases.phase(what, total) as tick:
        return measure(model, examples, encoder, config, tick=tick, kept=kept)


def check_measured(sets: Mapping[str, Measured], config: EvaluateConfig) -> None:
    """ConfigError where `measure_sets` would have nothing to measure; needs no model."""
    if config.metrics:
        check_served({name: each.examples for name, each in sets.items()}, config)


def kept_by(config: EvaluateConfig, phases: Phases, *, include_text: bool) -> Kept:
    """Where a run keeps what it observes; `.of(digest)` says of which weights."""
    folder = cache_folder() / OBSERVATIONS if config.cache else None
    return Kept(folder, texts=include_text, say=phases.say)


def as_json(evaluation: Evaluation) -> dict[str, dict[str, MeasuredJSON]]:
    """For the record."""
    return {
        name: {metric: MeasuredJSON(**value.to_json()) for metric, value in metrics.items()}
        for name, metrics in evaluation.metrics.items()
    }


def between_json(evaluation: Evaluation) -> dict[str, MeasuredJSON]:
    """For the record."""
    return {metric: MeasuredJSON(**value.to_json()) for metric, value in evaluation.between.items()}


def readings(names: Iterable[str]) -> dict[str, Reading]:
    """How to read these metrics (and AUCs between two sets), for the record."""
    names = sorted(names)
    found = glossary([name for name in names if not name.endswith(SUFFIX)])
    found |= {name: reading(metrics.get(name.removesuffix(SUFFIX)).title) for name in names if name.endswith(SUFFIX)}
    return {name: Reading.model_validate(entry) for name, entry in found.items()}


def model_info(model: Model) -> ModelInfo:
    """The starting model for the record; the digest is that of its weights and of what stands beside them."""
    weights = parameters_of(model.network)
    return ModelInfo(
        name=model.name,
        digest=identity_of(model),
        files=files_of_model(model.name),
        architecture=model.layout.model_type,
        parameters=sum(weight.numel() for weight in weights.values()),
        dtype=str(model.network.dtype).removeprefix("torch."),
    )
