"""`expunge bench`."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from expunge.cli import options as o


class EngineName(str, Enum):
    """Where cells run."""

    LOCAL = "local"
    RAY = "ray"


def bench(
    suite: Annotated[
        str | None, typer.Option("--suite", metavar="S,…", help="Suites and worlds: see `expunge ls suites`.")
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            "--methods", metavar="NAME,…", help="Objectives and editors, NAME:key=value; all, objectives, editors."
        ),
    ] = None,
    masks: Annotated[
        str | None,
        typer.Option(
            "--masks", metavar="NAME,…", help="none and localizers, NAME:key=value; objectives train in them."
        ),
    ] = None,
    extrapolations: Annotated[
        str | None,
        typer.Option("--extrapolations", metavar="A,…", help="none, auto, numbers, selectors NAME:key=value."),
    ] = None,
    seeds: Annotated[int | None, typer.Option("--seeds", metavar="N", help="Final runs of each method.")] = None,
    trials: Annotated[int | None, typer.Option("--trials", metavar="N", help="Tuning trials of each method.")] = None,
    full_panel: Annotated[
        str | None, typer.Option("--full-panel", help='Who is audited in full: none, "best 3" or all.')
    ] = None,
    engine: Annotated[EngineName, typer.Option("--engine", help="Processes on this machine, or a Ray cluster.")] = (
        EngineName.LOCAL
    ),
    processes: Annotated[
        int | None, typer.Option("--processes", metavar="N", min=1, help="Cells at once; default: by processors.")
    ] = None,
    reuse: Annotated[
        Path | None,
        typer.Option("--reuse", metavar="FILE", help="jobs.jsonl of an earlier bench: only the rest is run."),
    ] = None,
    out: o.Out = Path("runs/bench"),
    config: o.ConfigFile = None,
    device: o.Device = None,
    dtype: o.Dtype = None,
    max_length: o.MaxLength = None,
    template: o.Template = None,
    system_prompt: o.SystemPrompt = None,
    json: o.Json = False,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
) -> int:
    """Tune, run and audit many methods on the same terms, and rank them. Killed, it goes on with --resume.

    Example: expunge bench --suite world:people --methods npo,simnpo,redirect --seeds 3 --out runs/bench
    """
    from expunge.bench.run import run_bench
    from expunge.cli.progress import Bars
    from expunge.config import BenchConfig, over, settings

    typed = o.given(
        suites=None if suite is None else o.listed(suite), methods=None if methods is None else o.listed(methods),
        masks=None if masks is None else o.listed(masks),
        extrapolations=None if extrapolations is None else o.listed(extrapolations), seeds=seeds, full_panel=full_panel,
    )  # fmt: skip
    typed |= {"search": o.given(trials=trials), "load": o.given(device=device, dtype=dtype)}
    typed["convention"] = o.given(max_length=max_length, template=template, system_prompt=system_prompt)
    resolved = settings(BenchConfig, over(o.recipe(config, out, overwrite=overwrite), typed))
    record = run_bench(
        resolved, out, engine=engine.value, processes=processes, arguments=o.TYPED.get(), resume=resume,
        overwrite=overwrite, reuse=reuse, phases=Bars(),
    )  # fmt: skip
    if json:
        print((out / "leaderboard.json").read_text(encoding="utf-8"), end="")
    else:
        print("\n".join((*record.headline, *record.warnings)))
        print(f"leaderboard: {out / 'leaderboard.md'}\nreport: {out / 'report.html'}")
    return 1 if record.status == "failed" else 0
