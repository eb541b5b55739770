"""What a curriculum's buckets changed, and how far each is extrapolated: UIPE (arXiv:2503.04693), bucket by bucket.

    v_b = θ at the end of bucket b's phase - θ at the end of the phase before      Σ_b v_b = v
    θ   = θ_un + Σ_b α_b v_b

α_b is chosen by the usual selectors on bucket b's own forget examples, in the order of training, with the α of the
buckets before it applied and those after it at 0; the utility floor is that of the whole. Frequent facts need larger
steps than rare ones (Krishnan et al. 2025, arXiv:2504.05058), and one α cannot give them. The combination is ours.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from expunge.arithmetic.line import Direction
from expunge.change import WeightChange
from expunge.config import ExtrapolateConfig, TrainConfig
from expunge.data.example import Sets
from expunge.models.model import Model
from expunge.parameters import parameters_of
from expunge.record import ExtrapolationInfo
from expunge.record_frequency import LeavingInfo, TrainedBucket, TurnInfo
from expunge.runs.extrapolating import Scoring, extrapolate
from expunge.train.curriculum import Phase, phases_of
from expunge.train.trained import Trained
from expunge.train.unlearn import DEFAULT_EPOCHS


def extrapolate_buckets(
    model: Model,
    sets: Sets,
    trained: Trained[WeightChange],
    config: ExtrapolateConfig,
    scoring: Scoring,
    *,
    floor: float,
    seed: int = 0,
    retrained: Model | None = None,
    tick: Callable[[str], object] = lambda _: None,
) -> tuple[WeightChange, tuple[ExtrapolationInfo, ...]]:
    """The change with an α for each bucket that was trained, and how each was chosen; not sealed.

    The parameters are those of `extrapolate`. The model ends with the bits it had.
    """
    change, found = trained.change, []
    before: Mapping[str, Tensor] = parameters_of(model)
    for each in trained.phases:
        bucket = each.phase.bucket
        own = replace(sets, forget=tuple(sets.forget[i] for i in bucket.rows))
        further = extrapolate(
            model, own, change, config, scoring, floor=floor, seed=seed, retrained=retrained, step=each.step,
            along=_along(before, each.weights), tick=lambda remark, name=bucket.name: tick(f"{name}: {remark}"),
        )  # fmt: skip
        change, before = further.change, each.weights
        found.append(further.info.model_copy(update={"bucket": bucket.name}))
    return change, tuple(found)


def _along(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> Direction:
    """What one phase changed, in float32."""

    def direction(name: str, v: Tensor) -> Tensor:
        return after[name].detach().to(v) - before[name].detach().to(v) if name in after else torch.zeros_like(v)

    return direction


@torch.no_grad()
def buckets_info(trained: Trained, sets: Sets, config: TrainConfig, model: Model) -> tuple[TrainedBucket, ...]:
    """For the record: the buckets of a curriculum in the order of training; () without one."""
    if config.curriculum is None:
        return ()
    phases = phases_of(sets.forget, config.curriculum, config.epochs or DEFAULT_EPOCHS)
    ends: dict[str, tuple[int, float]] = {}
    before: Mapping[str, Tensor] = parameters_of(model)
    for each in trained.phases:
        squares = sum(float((w.double() - before[n].double()).square().sum()) for n, w in each.weights.items())
        ends[each.phase.bucket.name], before = (each.step, squares**0.5), each.weights
    return tuple(
        _bucket_info(phase, config.curriculum.by, *ends.get(phase.bucket.name, (None, None))) for phase in phases
    )


def _bucket_info(phase: Phase, by: str, step: int | None, norm: float | None) -> TrainedBucket:
    bucket = phase.bucket
    assert bucket.least is not None and bucket.most is not None, "every example of a curriculum has a count"
    return TrainedBucket(
        name=bucket.name, n=len(bucket.rows), by=by, least=bucket.least, most=bucket.most, epochs=phase.epochs,
        rate=phase.rate, step=step, norm=norm,
    )  # fmt: skip


def leaving_info(trained: Trained, sets: Sets, config: TrainConfig) -> LeavingInfo | None:
    """For the record: when examples left the batch and came back; None where they do not."""
    if config.stop != "leave":
        return None
    away: set[int] = set()
    for turn in trained.turns:
        away = (away | {*turn.left}) - {*turn.returned}
    turns = tuple(TurnInfo(step=turn.step, left=turn.left, returned=turn.returned) for turn in trained.turns)
    return LeavingInfo(
        n=len(sets.forget), every=config.leave.every, margin=config.leave.margin, turns=turns, away=len(away)
    )
