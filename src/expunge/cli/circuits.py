"""`expunge circuits`."""

from pathlib import Path
from typing import Annotated

import typer

from expunge.cli import options as o

_METHOD = "Method"


def circuits(
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="M", help="Hub id, folder, adapter, GGUF file, smollm2, or BASE+CHANGE."),
    ] = None,
    suite: o.Suite = None,
    forget: o.Forget = None,
    retain: o.Retain = None,
    out: o.Out = Path("runs/circuits"),
    columns: o.Columns = None,
    granularity: Annotated[
        str | None, typer.Option("--granularity", rich_help_panel=_METHOD, help="matrices, heads or neurons.")
    ] = None,
    engine: Annotated[
        str | None, typer.Option("--engine", rich_help_panel=_METHOD, help="attribution or pruning.")
    ] = None,
    pairs: Annotated[
        int | None, typer.Option("--pairs", rich_help_panel=_METHOD, help="Contrasts of each set; default 32.")
    ] = None,
    swap: Annotated[
        str | None, typer.Option("--swap", rich_help_panel=_METHOD, help="auto, subject or answer.")
    ] = None,
    points: Annotated[
        int | None, typer.Option("--points", rich_help_panel=_METHOD, help="Of attribution, on each half of the path.")
    ] = None,
    faithfulness: Annotated[
        float | None,
        typer.Option("--faithfulness", rich_help_panel=_METHOD, help="What a circuit has to recover; default 0.8."),
    ] = None,
    size: Annotated[
        float | None, typer.Option("--size", rich_help_panel=_METHOD, help="Share of all edges, in its place.")
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option("--explain", metavar="NODE,…", rich_help_panel=_METHOD, help="Nodes whose class to explain."),
    ] = None,
    seed: o.Seed = None,
    config: o.ConfigFile = None,
    device: o.Device = None,
    dtype: o.Dtype = None,
    max_length: o.MaxLength = None,
    template: o.Template = None,
    system_prompt: o.SystemPrompt = None,
    json: o.Json = False,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
) -> None:
    """Find the circuits of what must go and what must stay, and which parts are in conflict (CLUE).

    Several retain sets, comma-separated, are a circuit each. Example: expunge circuits --model smollm2
    --forget forget.jsonl --retain retain.jsonl
    """
    from expunge.cli.finishing import finish
    from expunge.cli.progress import Bars
    from expunge.config import CircuitsRunConfig, over
    from expunge.runs.circuits import run_circuits
    from expunge.runs.folder import check_free
    from expunge.runs.suites import settled

    typed = o.given(
        model=model, suite=suite, forget=forget, retain=retain, columns=o.renamed(columns),
        explain=None if explain is None else o.listed(explain),
    )  # fmt: skip
    typed |= {
        "circuits": o.given(
            granularity=granularity, engine=engine, pairs=pairs, swap=swap, points=points, faithfulness=faithfulness,
            size=size, seed=seed,
        ),
        "load": o.given(device=device, dtype=dtype),
        "convention": o.given(max_length=max_length, template=template, system_prompt=system_prompt),
    }  # fmt: skip
    first = lambda _: check_free(out, resume=resume, overwrite=overwrite)
    resolved, found = settled(CircuitsRunConfig, over(o.recipe(config, out, overwrite=overwrite), typed), first)
    record = run_circuits(
        resolved, out, suite=found, arguments=o.TYPED.get(), resume=resume, overwrite=overwrite, phases=Bars()
    )
    finish(record, out, json=json)
