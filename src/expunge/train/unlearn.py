"""Unlearning by training: from a model, its sets and settings to a weight change and how it came about."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from expunge.arithmetic.alpha.margin import margin
from expunge.change import WeightChange
from expunge.change.bits import type_name
from expunge.config import ConventionConfig, TrainConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.data.sampling import sample_of
from expunge.errors import ConfigError, DivergedError
from expunge.frequency.strengths import strengths_of
from expunge.mask import Mask, check_weights
from expunge.models.attaching import identity_of
from expunge.models.model import Model
from expunge.objectives import objectives, retain_losses
from expunge.objectives.binding import Bound, bind
from expunge.objectives.documents import check_documents
from expunge.objectives.refusals import with_refusals
from expunge.parameters import parameters_of
from expunge.train import lora
from expunge.train.checkpoint import Checkpoints
from expunge.train.curriculum import Curriculum, Reached, missed, phases_of
from expunge.train.early import Early
from expunge.train.fitness import check_dtype, check_retain, ties_told
from expunge.train.leaving import Leaving, said
from expunge.train.levels import NeverKnown, mean_log_probs, never_known, required
from expunge.train.loop import Loop, Progress, Stream, Watch
from expunge.train.measure import items_of
from expunge.train.optimizer import Optimizer
from expunge.train.plan import Plan
from expunge.train.reference import Reference
from expunge.train.retrained import reads_retrained, retrained_for
from expunge.train.selection import Point, Rule, halves
from expunge.train.trainable import trainable
from expunge.train.trained import Trained, change_of, restore
from expunge.train.wrappers import bind_wrappers

DEFAULT_EPOCHS = 5
Tick = Callable[[Progress, int], object]


def train(
    model: Model,
    sets: Sets,
    config: TrainConfig,
    *,
    convention: ConventionConfig | None = None,
    mask: Mask | None = None,
    retrained: Model | None = None,
    folder: Path | None = None,
    resume: bool = False,
    watch: Watch | None = None,
    since: Trained[WeightChange] | None = None,
    never: NeverKnown | None = None,
    tick: Tick = lambda *_: None,
) -> Trained[WeightChange]:
    """Train, take the difference as a change, and put the model back to the bits it had.

    `retrained` is the model that never saw the forget set, for losses that measure against it; one that is only named
    in the settings is loaded for that and let go before the training.
    `folder` keeps checkpoints, so that a killed run can `resume`; without it they go to a temporary folder. `watch`
    replaces what is measured at each point (it gives `forget` and `utility`). `since` is an earlier stage whose result
    the model holds: points are judged against its start. `never` is what never-known looks like,
    where that is known already; else twins or a holdout set say it. `tick` is called after every step.

    Raises ConfigError or DataError before anything is trained when settings, sets and model do not fit together, and
    DivergedError, whose `trained` is the result up to the kept point, when the training goes astray.
    """
    check_frequency(config, sets)
    check_dtype(type_name(model.network.dtype), config)
    check_retain(config, retain=bool(sets.retain))
    accelerator = Accelerator(cpu=model.device.type == "cpu")
    loss, retain_loss = _losses(config, sets)
    gold = retrained or config.retrained
    gold = gold if reads_retrained((loss, retain_loss), gold) else None
    wrappers = bind_wrappers(config.wrap)
    for wrapper in wrappers:
        wrapper.check(model.layout, loss.layer(model.layout))
    generator = torch.Generator().manual_seed(config.seed)
    prepared = loss.prepare(model, sets, generator, convention)
    sets = _with_alternates(prepared.sets, loss, generator)
    encoder = Encoder(model.tokenizer, convention, model.layout.places)
    level = since.never_known if since else never or starting_level(model, sets, encoder, config)
    with ExitStack() as stack:
        checkpoints = Checkpoints(
            folder or Path(stack.enter_context(tempfile.TemporaryDirectory())),
            writes=folder is None or accelerator.is_main_process,
        )
        assert mask is not None or config.localize is None, "whoever calls makes the mask: `runs/localizing.py`"
        mask = _mask(model, loss, config) if mask is None else mask
        if mask is not None:
            mask.check_shapes({name: weight.shape for name, weight in parameters_of(model).items()})
            check_weights(mask)
        identity = identity_of(model)  # before adapters hang on it
        wrapped = stack.enter_context(lora.adapted(model, config.lora, config.seed, mask)) if config.lora else None
        parameters = stack.enter_context(trainable(model, mask, wrapped, config.gradient_checkpointing))
        within = lora.region(wrapped, mask) if wrapped else mask
        left_out = lora.left_out(wrapped, mask) if wrapped else ()
        notes = (*prepared.notes, *left_out, *ties_told(parameters.values(), config))
        plan = _plan(sets, config)
        steps = steps_of(plan, config)
        forget, retain = _streams(model, sets, encoder, loss, retain_loss, prepared.constants, config, plan, steps,
                                  level, gold, head_changes=_trains_head(model, parameters))  # fmt: skip
        checkpoints.save_start(parameters, model=identity, resume=resume)
        accelerator.wait_for_everyone()
        apart = plan if isinstance(plan, Curriculum) and _by_bucket(config) else None
        rule = rule_of(config, level, since.points[0] if since else None, apart.ends if apart else ())
        loop = Loop(
            model, parameters, forget, retain, Optimizer(parameters, within, config, steps), plan,
            config, steps=steps, eval_every=config.eval_every or plan.steps_per_epoch,
            wrappers=wrappers, rule=rule, watch=watch or _watch(model, sets, encoder, config),
            checkpoints=checkpoints, accelerator=accelerator, tick=lambda progress: tick(progress, steps),
            leaving=_leaving(model, sets, encoder, config, level), phases=apart is not None,
        )  # fmt: skip
        diverged: DivergedError | None = None
        try:
            try:
                loop.run(resume=resume)
            except DivergedError as error:
                diverged = error
            change = change_of(model, wrapped, checkpoints, mask)
            reached = _reached(apart, loop.progress, checkpoints) if apart else ()
        finally:
            restore(parameters, checkpoints)
    notes = (*notes, *(missed(apart.phases, reached, loop.progress.best) if apart else ()))
    trained = _trained(change, loop.progress, rule, level, notes, len(sets.forget), reached)
    if diverged is not None:
        diverged.trained = trained
        raise diverged
    return trained


def _trained(
    change: WeightChange, progress: Progress, rule: Rule, level: NeverKnown | None, notes: tuple[str, ...], size: int,
    reached: tuple[Reached, ...],
) -> Trained[WeightChange]:  # fmt: skip
    start = progress.points[0]
    kept = next(point for point in progress.points if point.step == progress.best)
    notes = (*notes, said(progress.turns, progress.away, size)) if progress.turns else notes
    return Trained(
        change=change, points=tuple(progress.points), kept=kept, why=rule.why(kept, start),
        floor_held=rule.holds(kept, start), never_known=level, steps=progress.step, notes=notes,
        turns=tuple(progress.turns), phases=reached,
    )  # fmt: skip


def check_frequency(config: TrainConfig, sets: Sets) -> None:
    """Raises DataError or ConfigError where the forget set lacks what strengths and curricula go by."""
    if config.strength is not None:
        strengths_of(sets.forget, config.strength)
    if config.curriculum is not None:
        phases_of(sets.forget, config.curriculum, DEFAULT_EPOCHS)


def steps_of(plan: Plan, config: TrainConfig) -> int:
    """The horizon."""
    if isinstance(plan, Curriculum):
        return plan.steps
    return config.max_steps or (config.epochs or DEFAULT_EPOCHS) * plan.steps_per_epoch


def _by_bucket(config: TrainConfig) -> bool:
    return config.extrapolate is not None and config.extrapolate.per == "bucket"


def _reached(plan: Curriculum, progress: Progress, checkpoints: Checkpoints) -> tuple[Reached, ...]:
    """Where each phase ended, up to the kept point."""
    found: list[Reached] = []
    for phase, end in zip(plan.phases, plan.ends, strict=True):
        if progress.best <= (found[-1].step if found else 0):
            break
        if progress.best <= end:
            found.append(Reached(phase, progress.best, checkpoints.load_best(progress.best)))
        else:
            found.append(Reached(phase, end, checkpoints.load_phase(end)))
    return tuple(found)


def _leaving(
    model: Model, sets: Sets, encoder: Encoder, config: TrainConfig, level: NeverKnown | None
) -> Leaving | None:
    """The rule by which examples leave the batch, where the settings have one."""
    if config.stop != "leave":
        return None
    encoded, budget = encoder.encode_all(sets.forget), config.budget(model.device.type)
    look = lambda: mean_log_probs(model, encoded, budget=budget, bf16=_bf16(config))
    return Leaving(required(level).per_example, look, config.leave)


def rule_of(
    config: TrainConfig, level: NeverKnown | None, origin: Point | None = None, ends: tuple[int, ...] = ()
) -> Rule:
    """The point that is nearest to never-known, or one before it to extrapolate from; `ends`: see `Early`."""
    known = level.level if level else None
    if config.extrapolate is not None and config.extrapolate.start == "early":
        ahead = config.extrapolate.floor(config.utility_floor)
        remaining = config.extrapolate.remaining
        return Early(config.utility_floor, known, config.early_stop, remaining, ahead, ends, origin=origin)
    return Rule(config.utility_floor, known, config.early_stop, origin=origin)


def _losses(config: TrainConfig, sets: Sets) -> tuple[Bound, Bound | None]:
    if not sets.forget:
        raise ConfigError("the forget set is empty")
    loss = bind(objectives.get(config.method), config.options)
    if config.retain_loss is None or not sets.retain:
        return loss, None
    return loss, bind(retain_losses.get(config.retain_loss), config.retain_options, beside=loss)


def _with_alternates(sets: Sets, loss: Bound, generator: torch.Generator) -> Sets:
    if loss.objective.alternate != "refusal":
        return sets
    check_documents(loss.objective.name, sets.forget)
    return replace(sets, forget=tuple(with_refusals(sets.forget, generator)))


def starting_level(model: Model, sets: Sets, encoder: Encoder, config: TrainConfig) -> NeverKnown | None:
    """What never-known looks like to the model as it is now. Raises ConfigError where it must be known and is not."""

    def measure(examples: Sequence[Example]) -> Tensor:
        return mean_log_probs(
            model, encoder.encode_all(examples), budget=config.budget(model.device.type), bf16=_bf16(config)
        )

    if not sets.twins:  # each twin speaks for an example of its own
        sets = replace(sets, holdout=tuple(sample_of(sets.holdout, config.eval_rows, config.seed)))
    level = never_known(sets, measure)
    return required(level) if config.stop != "never" or config.early_stop else level


def _bf16(config: TrainConfig) -> bool:
    return config.precision == "bfloat16"


def _mask(model: Model, loss: Bound, config: TrainConfig) -> Mask | None:
    """The user's parameters, else those that the method says."""
    names = config.parameters or loss.trains(model.layout)
    return Mask.parameters(model.network, names) if names else None


def _trains_head(model: Model, parameters: Mapping[str, nn.Parameter]) -> bool:
    head = model.network.get_output_embeddings()
    assert head is not None
    own = {id(each) for each in head.parameters()}  # some heads have a bias
    return any(id(parameter) in own for parameter in parameters.values())


def _plan(sets: Sets, config: TrainConfig) -> Plan:
    retain = config.retain_batch_size or config.batch_size
    plan = Plan(len(sets.forget), len(sets.retain), config.batch_size, retain, config.seed)
    if config.curriculum is None:
        return plan
    phases = phases_of(sets.forget, config.curriculum, config.epochs or DEFAULT_EPOCHS)
    return Curriculum(**vars(plan), phases=phases, mixed=config.curriculum.order == "mixed")


def _streams(
    model: Model,
    sets: Sets,
    encoder: Encoder,
    loss: Bound,
    retain_loss: Bound | None,
    constants: Mapping[str, Tensor],
    config: TrainConfig,
    plan: Plan,
    steps: int,
    level: NeverKnown | None,
    gold: Model | str | None,
    *,
    head_changes: bool,
) -> tuple[Stream, Stream | None]:
    """Both streams with their references filled, for the examples that the plan will draw."""
    gold = retrained_for(model, gold) if gold is not None else None

    strengths = strengths_of(sets.forget, config.strength) if config.strength is not None else []

    def stream(
        bound: Bound, examples: Sequence[Example], weight: float, drawn: Callable[[int], list[int]],
        strengths: Sequence[float] = (),
    ) -> Stream:  # fmt: skip
        items = items_of(examples, encoder, alternates="alternate" in bound.objective.needs, strengths=strengths)
        layer, needs = bound.layer(model.layout), bound.objective.needs

        def filled(by: Model, kinds: set[str], head_changes: bool) -> Reference:
            reference = Reference(by, kinds, layer, head_changes)
            used = sorted({i for step in range(steps) for i in drawn(step)})
            reference.fill(by, [items[i] for i in used], budget=config.budget(by.device.type), bf16=_bf16(config))
            return reference

        kinds = {"tokens", *(needs & {"logits", "hidden"})}
        reference = filled(model, kinds, head_changes) if "reference" in needs else None
        retrained = filled(gold, {"mlp"}, False) if gold is not None and "retrained" in needs else None
        return Stream(items, bound, weight, layer, constants, reference, retrained)

    forget = stream(loss, sets.forget, config.forget_weight, plan.forget_at, strengths)
    if config.stop == "never-known":
        forget = replace(forget, levels=required(level).per_example)
    if retain_loss is None:
        return forget, None
    return forget, stream(retain_loss, sets.retain, config.retain_weight, plan.retain_at)


def _watch(model: Model, sets: Sets, encoder: Encoder, config: TrainConfig) -> Watch:
    """Forget level on the forget set, utility on the selection half of the retain set.

    Where α is to be chosen, also the margin by which the utility must lie above the floor. It compares with the model
    as it is now: after an earlier stage that is that stage's result.
    """
    drawn = partial(sample_of, size=config.eval_rows, seed=config.seed)
    chosen = drawn(halves(sets.retain, config.seed)[0])
    forget, retain = (encoder.encode_all(each) for each in (drawn(sets.forget), chosen))

    def levels(encoded: Sequence) -> Tensor:
        values = mean_log_probs(model, encoded, budget=config.budget(model.device.type), bf16=_bf16(config))
        return values.exp()

    further = config.extrapolate if retain else None
    start = levels(retain) if further is not None and further.start == "early" else None

    def watch(step: int) -> dict[str, float | None]:
        del step
        found = {"forget": levels(forget).mean().item(), "utility": None}
        if not retain:
            return found
        kept = levels(retain)
        if start is None or further is None:
            return {**found, "utility": kept.mean().item()}
        groups = [example.group or example.id for example in chosen]
        needed = margin(kept, start, further.floor(config.utility_floor), groups)
        return {**found, "utility": kept.mean().item(), "margin": needed}

    return watch
