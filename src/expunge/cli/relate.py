"""`expunge relate`."""

from pathlib import Path
from typing import Annotated

import typer

from expunge.cli import options as o

_METHOD = "Method"


def relate(
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="M", help="Hub id, folder, adapter, GGUF file, smollm2, or BASE+CHANGE."),
    ] = None,
    suite: o.Suite = None,
    forget: o.Forget = None,
    out: o.Out = Path("runs/relate"),
    retain: o.Retain = None,
    holdout: o.Holdout = None,
    twins: o.Twins = None,
    columns: o.Columns = None,
    after: Annotated[
        str | None,
        typer.Option("--after", metavar="M2", help="The model after unlearning: which facts went along?"),
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", rich_help_panel=_METHOD, help="What a row is: example or group.")
    ] = None,
    examples: Annotated[
        int | None,
        typer.Option("--examples", rich_help_panel=_METHOD, help="Of each set, over its groups; default 100."),
    ] = None,
    parameters: Annotated[
        str | None,
        typer.Option("--parameters", rich_help_panel=_METHOD, help="Names or patterns of what gradients are taken of."),
    ] = None,
    projection: Annotated[
        int | None,
        typer.Option(
            "--projection",
            metavar="K",
            rich_help_panel=_METHOD,
            help="Numbers that stand for a gradient; 0: all of it, in blocks. Else as memory allows.",
        ),
    ] = None,
    memory: Annotated[
        int | None, typer.Option("--memory", rich_help_panel=_METHOD, help="MiB of gradients held; default 1024.")
    ] = None,
    precision: o.Precision = None,
    seed: o.Seed = None,
    config: o.ConfigFile = None,
    device: o.Device = None,
    dtype: o.Dtype = None,
    attention: o.Attention = None,
    max_length: o.MaxLength = None,
    template: o.Template = None,
    system_prompt: o.SystemPrompt = None,
    include_text: o.IncludeText = False,
    json: o.Json = False,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
) -> None:
    """How related is what a model knows? The cosine of gradients, between examples or groups.

    Example: expunge relate --model smollm2 --forget forget.jsonl --retain retain.jsonl --out runs/relate
    """
    from expunge.cli.finishing import finish
    from expunge.cli.progress import Bars
    from expunge.config import RelateRunConfig, over
    from expunge.runs.relate import check_relate, run_relate
    from expunge.runs.suites import check_early, settled

    typed = o.given(
        model=model, suite=suite, forget=forget, retain=retain, holdout=holdout, twins=twins, after=after,
        columns=o.renamed(columns), include_text=include_text or None,
    )  # fmt: skip
    typed |= {
        "relate": o.given(
            by=by, examples=examples, projection=projection, memory=memory, precision=precision, seed=seed,
            parameters=None if parameters is None else tuple(parameters.split(",")),
        ),
        "load": o.given(device=device, dtype=dtype, attention=attention),
        "convention": o.given(max_length=max_length, template=template, system_prompt=system_prompt),
    }  # fmt: skip

    def first(given: RelateRunConfig) -> None:
        check_early(given, out=out, resume=resume, overwrite=overwrite)
        check_relate(given)

    resolved, found = settled(RelateRunConfig, over(o.recipe(config, out, overwrite=overwrite), typed), first)
    record = run_relate(
        resolved, out, suite=found, arguments=o.TYPED.get(), resume=resume, overwrite=overwrite, phases=Bars()
    )
    finish(record, out, json=json)
