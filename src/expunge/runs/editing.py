"""An editor in place of training: the same measurements before and after, one step."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor

from expunge.change import Change
from expunge.config import TrainConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.edit import editors
from expunge.edit.corpus import corpus_files
from expunge.edit.edited import Edited
from expunge.errors import ConfigError
from expunge.models.attaching import refuse_attached
from expunge.models.model import Model
from expunge.runs.facts import asked_for, split_options, work_of
from expunge.runs.tracing import check_traced, traced_block
from expunge.train.levels import mean_log_probs, never_known
from expunge.train.selection import Point, Rule, halves
from expunge.train.trained import Trained

STATE = "editor.safetensors"  # in a run's folder: what the editor must know when it edits again
Say = Callable[[str], object]
Tick = Callable[..., object]


def edit(
    model: Model,
    sets: Sets,
    settings: TrainConfig,
    encoder: Encoder,
    *,
    folder: Path | None = None,
    as_factors: bool = False,
    say: Say = lambda _: None,
    tick: Tick = lambda advance=1, remark="", total=None: None,
) -> Trained[Change]:
    """Run the editor that `settings.method` names, and measure forget level and utility before and after.

    `as_factors`: what an editor of facts changes stays low-rank, for an adapter.
    """

    def logprobs(examples: Sequence[Example]) -> Tensor:
        return mean_log_probs(model, encoder.encode_all(examples), budget=settings.budget(model.device.type))

    def point(step: int, seconds: float) -> Point:
        utility = logprobs(selection).exp().mean().item() if selection else None
        return Point(step, round(seconds, 3), logprobs(sets.forget).exp().mean().item(), utility)

    selection = halves(sets.retain, settings.seed)[0] if sets.retain else []
    level = never_known(sets, logprobs)
    rule = Rule(settings.utility_floor, level.level if level else None)
    start = point(0, 0.0)
    began = time.monotonic()
    change, notes = changed(model, sets, settings, encoder, folder, say, tick, as_factors=as_factors)
    seconds = time.monotonic() - began
    with change.applied_to(model):
        end = point(1, seconds)
    return Trained(
        change=change, points=(start, end), kept=end, why="in closed form: there is one point",
        floor_held=rule.holds(end, start), never_known=level, steps=1, notes=notes,
    )  # fmt: skip


def edited(
    model: Model, sets: Sets, settings: TrainConfig, encoder: Encoder, say: Say = lambda _: None,
    tick: Tick = lambda advance=1, remark="", total=None: None, *, as_factors: bool = False,
) -> Edited:  # fmt: skip
    """What an editor of facts makes of the forget set. ChangeError for a model on which a side memory hangs."""
    editor = editors.get(settings.method)
    refuse_attached(model, f"the editor {settings.method!r}")
    shared, own = split_options(settings.options)[0], editor.check(settings.options)
    if shared.traced is not None:
        own[check_traced(editor, own)] = traced_block(
            model, sets.forget, encoder, shared.traced, seed=settings.seed, say=say
        )
    work = work_of(model, sets, shared, encoder, seed=settings.seed, say=say, subjects=not editor.attaches)
    work.tick, work.as_factors = tick, as_factors
    return editor.function(work, **own)


def check_options(settings: TrainConfig) -> None:
    """Raises for options of an editor of facts that cannot be, before a model is loaded."""
    if settings.extrapolate is not None and editors.get(settings.method).attaches:
        raise ConfigError(
            f"{settings.method!r} hangs a side memory beside the weights, which cannot be extrapolated: leave "
            "`extrapolate` out"
        )
    if editors.get(settings.method).facts:
        shared, own = split_options(settings.options)
        if shared.traced is not None:
            check_traced(editors.get(settings.method), own)
        if (earlier := settings.options.get("earlier")) is not None and not Path(str(earlier)).expanduser().is_file():
            raise ConfigError(f"{settings.method}: there is no file {earlier}")
        if (corpus := settings.options.get("corpus")) is not None:
            corpus_files(str(corpus))


def check_sets(settings: TrainConfig, sets: Sets) -> None:
    """Raises ConfigError for sets that the editor of `settings` cannot work on, before a model is loaded."""
    if settings.method not in editors:
        return
    if not sets.forget:
        raise ConfigError("the forget set is empty")
    editor = editors.get(settings.method)
    if editor.facts:
        asked_for(sets.forget, split_options(settings.options)[0].without)
    if editor.ready is not None:
        editor.ready(sets, settings.options)


def files_of(settings: TrainConfig) -> list[str]:
    """What an editor is to read beside the sets."""
    if settings.method not in editors:
        return []
    return [str(settings.options[name]) for name in ("corpus", "earlier") if settings.options.get(name) is not None]


def changed(
    model: Model, sets: Sets, settings: TrainConfig, encoder: Encoder, folder: Path | None = None,
    say: Say = lambda _: None, tick: Tick = lambda advance=1, remark="", total=None: None,
    *, as_factors: bool = False,
) -> tuple[Change, tuple[str, ...]]:  # fmt: skip
    """The change, and notes on how it was made; what the editor must remember goes to `folder`."""
    editor = editors.get(settings.method)
    if not editor.facts:
        return editor.function(model, sets, **editor.check(settings.options)), ()
    found = edited(model, sets, settings, encoder, say, tick, as_factors=as_factors)
    if found.keep is not None and folder is not None:
        found.keep(folder / STATE)
    return found.change, found.notes
