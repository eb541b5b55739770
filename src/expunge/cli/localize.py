"""`expunge localize`."""

from pathlib import Path
from typing import Annotated

import typer

from expunge.cli import options as o

_METHOD = "Method"


def localize(
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="M", help="Hub id, folder, adapter, GGUF file, smollm2, or BASE+CHANGE."),
    ] = None,
    suite: o.Suite = None,
    forget: o.Forget = None,
    retain: o.Retain = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The mask; its record and picture go beside it.")
    ] = Path("runs/mask.safetensors"),
    columns: o.Columns = None,
    localizer: Annotated[
        str | None,
        typer.Option("--localizer", rich_help_panel=_METHOD, help="NAME:key=value,…; see `expunge ls localizers`."),
    ] = None,
    budget: Annotated[
        float | None, typer.Option("--budget", rich_help_panel=_METHOD, help="Share that may change; default 0.1.")
    ] = None,
    of: Annotated[
        str | None, typer.Option("--budget-of", rich_help_panel=_METHOD, help="A share of what: units or weights.")
    ] = None,
    granularity: Annotated[
        str | None,
        typer.Option(
            "--granularity",
            rich_help_panel=_METHOD,
            help="value_vectors, heads, rows, matrices, weights or layers.",
        ),
    ] = None,
    examples: Annotated[
        int | None, typer.Option("--examples", rich_help_panel=_METHOD, help="Of each set, that are looked at.")
    ] = None,
    truth: Annotated[
        str | None,
        typer.Option("--truth", metavar="MASK", help="Where the knowledge lies, to be compared with: a mask's file."),
    ] = None,
    precision: o.Precision = None,
    seed: o.Seed = None,
    config: o.ConfigFile = None,
    device: o.Device = None,
    dtype: o.Dtype = None,
    max_length: o.MaxLength = None,
    template: o.Template = None,
    system_prompt: o.SystemPrompt = None,
    json: o.Json = False,
    overwrite: o.Overwrite = False,
) -> None:
    """Find the weights that hold what is to be forgotten, and save them as a mask.

    Example: expunge localize --model smollm2 --forget forget.jsonl --retain retain.jsonl --localizer wagle
    """
    from expunge.cli.finishing import finish_file
    from expunge.cli.progress import Bars
    from expunge.config import LocalizeRunConfig, localizer_settings, over
    from expunge.runs.localize import check_out, run_localize
    from expunge.runs.localizing import check_localize
    from expunge.runs.suites import settled

    typed = o.given(model=model, suite=suite, forget=forget, retain=retain, columns=o.renamed(columns), truth=truth)
    typed |= {
        "localize": (localizer_settings(localizer) if localizer else {})
        | o.given(
            budget=budget, of=of, granularity=granularity, examples=examples, precision=precision, seed=seed
        ),
        "load": o.given(device=device, dtype=dtype),
        "convention": o.given(max_length=max_length, template=template, system_prompt=system_prompt),
    }  # fmt: skip

    def first(given: LocalizeRunConfig) -> None:
        check_out(given, out, overwrite=overwrite)
        check_localize(given.localize)

    resolved, found = settled(LocalizeRunConfig, over(o.recipe(config, out, overwrite=overwrite), typed), first)
    record = run_localize(resolved, out, suite=found, arguments=o.TYPED.get(), overwrite=overwrite, phases=Bars())
    finish_file(record, out, json=json)
