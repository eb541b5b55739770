"""`expunge apply` and `expunge revert`."""

from pathlib import Path
from typing import Annotated

import typer

from expunge.cli import options as o

Change = Annotated[Path, typer.Option("--change", metavar="FILE", help="A change as `expunge unlearn` saves it.")]


def apply(model: o.ModelName, change: Change, out: o.Out, overwrite: o.Overwrite = False, json: o.Json = False) -> None:
    """Apply a saved change to a model; the result is a plain Hugging Face folder. Streams: memory stays small.

    Example: expunge apply --model smollm2 --change runs/first/change.safetensors --out models/forgot
    """
    _stream(model, change, out, json, overwrite, revert=False)


def revert(
    model: o.ModelName, change: Change, out: o.Out, overwrite: o.Overwrite = False, json: o.Json = False
) -> None:
    """Undo a change that was applied: the original model, bit for bit.

    Example: expunge revert --model models/forgot --change runs/first/change.safetensors --out models/original
    """
    _stream(model, change, out, json, overwrite, revert=True)


def _stream(model: str, change: Path, out: Path, json: bool, overwrite: bool, *, revert: bool) -> None:
    from expunge.cli.progress import Bars
    from expunge.runs.apply import run_apply

    record = run_apply(model, change, out, revert=revert, arguments=o.TYPED.get(), overwrite=overwrite, phases=Bars())
    if not json:
        print(f"{record.headline[0]} → {out}")
        return
    import json as encoder

    info = record.methods[record.command].change
    assert info is not None
    found = {"kind": info.kind, "tensors": len(info.norms), "weights": info.touched_weights}
    print(encoder.dumps({"out": str(out), "change": str(change), **found}))
