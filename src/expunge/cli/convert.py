"""`expunge convert`."""

from pathlib import Path
from typing import Annotated

import typer

from expunge.cli import options as o

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="TOFU_EVAL.json, …_SUMMARY.json, MUSE_EVAL.json, or a log of the TOFU code."),
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="The record; else NAME.record.json beside the file.")
]


def convert(file: File, out: Out = None, overwrite: o.Overwrite = False, json: o.Json = False) -> None:
    """Others' result files into a record: OpenUnlearning's, and the logs of the original TOFU code.

    Example: expunge convert saves/eval/npo/TOFU_EVAL.json --out npo.json
    """
    from expunge.record_file import to_json
    from expunge.runs.convert import run_convert

    record, path = run_convert(file, out, arguments=o.TYPED.get(), overwrite=overwrite)
    if json:
        print(to_json(record), end="")
        return
    for line in (*record.headline, *record.warnings):
        print(line)
    total = sum(len(each) for each in record.before.values())
    print(f"record: {path} ({total} metrics on {len(record.sets)} sets)")
