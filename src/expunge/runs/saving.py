"""Saving a change: its file with a note of where it came from, a model beside it, and what the record says of it."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

from expunge.atomic import atomic_folder
from expunge.change import Attachment, Change, WeightChange
from expunge.config import FitConfig
from expunge.models.model import Model
from expunge.record import ChangeInfo, ExtrapolationInfo
from expunge.train.trained import C, Trained

CHANGE = "change.safetensors"


def save_model(change: Change, model: Model, save_as: str, out: Path) -> None:
    """The change is saved always; beside it a PEFT adapter or a full Hugging Face folder."""
    for left in (out / "adapter", out / "model"):  # by a run that was killed just before its end
        shutil.rmtree(left, ignore_errors=True)
    if save_as == "peft":
        change.save_peft(out / "adapter", model.name)  # an attachment refuses, and `_check` has before
    if save_as == "full":
        with atomic_folder(out / "model") as folder, change.applied_to(model):
            model.save(folder)


def signed(trained: Trained[C], model: str, settings: FitConfig, further: Sequence[ExtrapolationInfo] = ()) -> C:
    """The change with a note of where it came from, which its file keeps."""
    kept: dict[str, Any] = {
        "step": trained.kept.step, "why": trained.why, "utility_floor_held": trained.floor_held,
    }  # fmt: skip
    told = [
        {"alpha": info.alpha, "direction": info.direction, "why": info.why, "utility_floor_held": info.holds,
         "overshoots": info.overshoots, **({"bucket": info.bucket} if info.bucket else {})}
        for info in further
    ]  # fmt: skip
    if any(info.bucket for info in further):
        kept["by_bucket"] = told
    elif told:
        kept |= told[0]
    record = {"model": model, "train": settings.model_dump(mode="json"), "kept": kept}
    change: Any = trained.change  # either kind is a dataclass
    return replace(change, record=record)


def change_info(change: Change) -> ChangeInfo:
    """For the record: what was touched and how far it moved, or what hangs beside the weights."""
    if isinstance(change, Attachment):
        return ChangeInfo(
            kind=change.kind, file=CHANGE, base_digest=change.base.id, result_digest=change.result_id,
            touched_weights=0, total_weights=sum(map(prod, (stamp.shape for stamp in change.base.stamps.values()))),
            note=f"beside the weights, which stay as they are: {change!r}",
        )  # fmt: skip
    norms = change.norms()
    return ChangeInfo(
        kind=change.kind,
        file=CHANGE,
        base_digest=change.base.id,
        result_digest=change.result_id,
        touched_weights=sum(_size(change, tensor) for tensor in norms),
        total_weights=sum(_size(change, tensor) for tensor in change.base.stamps),
        norms={tensor: (norm.absolute, norm.relative) for tensor, norm in norms.items()},
    )


def _size(change: WeightChange, tensor: str) -> int:
    return prod(change.base.stamps[tensor].shape)
