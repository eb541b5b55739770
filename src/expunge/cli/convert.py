"""`expunge convert`."""

from pathlib import Path
from typing import Annotated

import typer

from expunge.cli import options as o
from expunge.record import Record

What = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="TOFU_EVAL.json, …_SUMMARY.json, MUSE_EVAL.json, a log of the TOFU code, or a model as *.gguf; with --to "
        "a suite.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="PLACE",
        help="The record; else NAME.record.json beside the file. A folder for a model, or with --to.",
    ),
]
To = Annotated[
    str | None, typer.Option("--to", metavar="FORMAT", help="lm-eval: a suite as tasks of lm-evaluation-harness.")
]


def convert(what: What, out: Out = None, to: To = None, overwrite: o.Overwrite = False, json: o.Json = False) -> None:
    """Others' result files into a record: OpenUnlearning's, and the logs of the original TOFU code. Or a suite into
    the task files of another program; these hold the texts of its sets. Or a GGUF file into a model's folder, whose
    weights are no longer quantized: it loads in a tenth of the time.

    Example: expunge convert saves/eval/npo/TOFU_EVAL.json --out npo.json
    """
    from expunge.record_file import to_json

    model = to is None and _holds_a_model(what)
    if to is not None:
        record, path = _export(what, to, out, overwrite=overwrite), out
    elif model:
        record, path = _dequantize(what, out, overwrite=overwrite), out
    else:
        from expunge.runs.convert import run_convert

        record, path = run_convert(Path(what), out, arguments=o.TYPED.get(), overwrite=overwrite)
    if json:
        print(to_json(record), end="")
        return
    for line in (*record.headline, *record.warnings):
        print(line)
    if to is None and not model:
        total = sum(len(each) for each in record.before.values())
        print(f"record: {path} ({total} metrics on {len(record.sets)} sets)")


def _export(name: str, to: str, out: Path | None, *, overwrite: bool) -> Record:
    from expunge.cli.progress import Bars
    from expunge.errors import ConfigError
    from expunge.runs.export import run_export

    if to != "lm-eval":
        raise ConfigError(f"--to {to!r}: suites can be written for lm-eval")
    if out is None:
        raise ConfigError("--to lm-eval writes several files: give --out, a folder")
    return run_export(name, out, arguments=o.TYPED.get(), overwrite=overwrite, phases=Bars())


def _holds_a_model(name: str) -> bool:
    """A GGUF file, or a folder with one."""
    path = Path(name)
    return path.suffix == ".gguf" or (path.is_dir() and any(each.suffix == ".gguf" for each in path.iterdir()))


def _dequantize(name: str, out: Path | None, *, overwrite: bool) -> Record:
    from expunge.cli.progress import Bars
    from expunge.errors import ConfigError
    from expunge.runs.dequantize import run_dequantize

    if out is None:
        raise ConfigError(f"{name} is a model, which becomes a folder: name it with --out")
    return run_dequantize(Path(name), out, arguments=o.TYPED.get(), overwrite=overwrite, phases=Bars())
