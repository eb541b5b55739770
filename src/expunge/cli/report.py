"""`expunge report`."""

from pathlib import Path
from typing import Annotated

import typer

from expunge.cli import options as o


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN_DIR…", help="Folders (or record.json files) of runs.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="report.html, .md or .json.")] = Path(
        "report.html"
    ),
    json: o.Json = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that is no earlier report; a record never is.")
    ] = False,
) -> None:
    """One report from one or several runs; reads records only, never a model.

    Example: expunge report runs/first runs/second --out both.html
    """
    from expunge.record_file import load_record
    from expunge.report import check_report, write_report

    check_report(out, overwrite=overwrite)
    written = write_report([load_record(run) for run in runs], out)
    if json:
        import json as encoder

        print(encoder.dumps({"report": str(written)}))
    else:
        print(f"report: {written}")
