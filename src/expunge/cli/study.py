"""`expunge study`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from expunge.cli import options as o
from expunge.cli.bench import EngineName


def study(
    name: Annotated[str, typer.Argument(metavar="NAME", help="See `expunge ls studies`.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Default: runs/study-NAME.")] = None,
    world: Annotated[
        str | None, typer.Option("--world", metavar="W", help="In place of the study's own: a world or a suite.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="M", help="A base model that is taught the suite first.")
    ] = None,
    seeds: Annotated[int | None, typer.Option("--seeds", metavar="N")] = None,
    full: Annotated[bool, typer.Option("--full", help="With everything that takes hours.")] = False,
    engine: Annotated[EngineName, typer.Option("--engine", help="Processes on this machine, or a Ray cluster.")] = (
        EngineName.LOCAL
    ),
    processes: Annotated[
        int | None, typer.Option("--processes", metavar="N", min=1, help="Jobs at once; default: by processors.")
    ] = None,
    reuse: Annotated[
        Path | None, typer.Option("--reuse", metavar="FILE", help="jobs.jsonl of an earlier run: only the rest is run.")
    ] = None,
    config: o.ConfigFile = None,
    json: o.Json = False,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
) -> int:
    """Run the experiment of a paper, and report its claim beside what came out. Killed, it goes on with --resume.

    Example: expunge study localization --seeds 2 --out runs/localization
    """
    from expunge.cli.progress import Bars
    from expunge.config import over, settings
    from expunge.studies import studies
    from expunge.studies.running import run_study

    which = studies.get(name)
    typed: dict[str, Any] = o.given(suite=world, base=model, seeds=seeds, full=full or None)
    place = out or Path("runs") / f"study-{which.name}"
    resolved = settings(which.settings, over(o.recipe(config, place, overwrite=overwrite), typed))
    record = run_study(
        which, resolved, place, engine=engine.value, processes=processes, arguments=o.TYPED.get(), resume=resume,
        overwrite=overwrite, reuse=reuse, phases=Bars(),
    )  # fmt: skip
    if json:
        print((place / "results.json").read_text(encoding="utf-8"), end="")
    else:
        print("\n".join((*record.headline, *record.warnings)))
        print(f"report: {place / 'report.html'}")
    return 1 if record.status == "failed" else 0
