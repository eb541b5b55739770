"""The run behind `expunge apply` and `expunge revert`: from a model and a change to a folder."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from expunge.arithmetic.apply import apply_to_folder, revert_from_folder
from expunge.change import WeightChange
from expunge.errors import OutputError
from expunge.runs.model_folder import check_model, model_folder
from expunge.runs.phases import Phases


def run_apply(model: str, change: Path, out: Path, *, revert: bool, phases: Phases | None = None) -> dict[str, Any]:
    """Write the changed (or restored) model to `out`, which must be new or empty.

    Folders stream, a few tensors at a time. What is no folder (GGUF file, adapter, BASE+CHANGE, Hub id) is loaded and
    written to a temporary folder first.
    """
    phases = phases or Phases()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"--out {out}: exists and is not empty; choose another folder")
    what = WeightChange.load(change)
    check_model(model)
    with ExitStack() as stack:
        with phases.phase("finding the model"):
            folder = model_folder(model, stack, phases)
        with phases.phase("reverting" if revert else "applying"):
            (revert_from_folder if revert else apply_to_folder)(folder, what, out)
    shapes = (what.base.stamps[name].shape for name in what.names)
    weights = sum(_product(shape) for shape in shapes)
    return {
        "out": str(out),
        "change": str(change),
        "kind": what.kind,
        "tensors": len(what.names),
        "weights": weights,
    }


def _product(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size
