"""`expunge finetune`."""

from pathlib import Path
from typing import Annotated

import typer

from expunge.cli import options as o

_METHOD = "Method"


def finetune(
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="M", help="Hub id, folder, adapter, GGUF file, smollm2, or BASE+CHANGE."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="D", help="What to learn: JSON, JSON lines, CSV, Parquet or hub:NAME."),
    ] = None,
    out: o.Out = Path("runs/finetune"),
    columns: o.Columns = None,
    mask: Annotated[
        str | None,
        typer.Option("--mask", metavar="MASK", rich_help_panel=_METHOD, help="A file: which weights may change."),
    ] = None,
    parameters: o.Parameters = None,
    lora: o.Lora = None,
    epochs: o.Epochs = None,
    max_steps: o.MaxSteps = None,
    until: o.Until = None,
    learning_rate: o.LearningRate = None,
    warmup: Annotated[
        float | None, typer.Option("--warmup", rich_help_panel=_METHOD, help="Share of the steps, linear.")
    ] = None,
    decay: Annotated[
        str | None, typer.Option("--decay", rich_help_panel=_METHOD, help="constant, linear or cosine.")
    ] = None,
    batch_size: o.BatchSize = None,
    precision: o.Precision = None,
    gradient_checkpointing: o.GradientCheckpointing = False,
    eval_every: o.EvalEvery = None,
    seed: o.Seed = None,
    metrics: o.Metrics = None,
    max_new_tokens: o.MaxNewTokens = None,
    save_as: o.SaveAs = None,
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
    """Teach a model a set of facts or documents, and save the change.

    Example: expunge finetune --model smollm2 --data facts.jsonl --lora 16 --learning-rate 1e-3 --out runs/taught
    """
    from expunge.cli.finishing import finish
    from expunge.cli.progress import Bars
    from expunge.config import FinetuneRunConfig, over, settings

    typed = o.given(
        model=model, data=data, columns=o.renamed(columns), mask=mask, save_as=save_as,
        include_text=include_text or None,
    )  # fmt: skip
    typed |= {
        "train": o.given(
            lora=lora, epochs=epochs, max_steps=max_steps, until=until, learning_rate=learning_rate, warmup=warmup,
            decay=decay, batch_size=batch_size, precision=precision, eval_every=eval_every, seed=seed,
            gradient_checkpointing=gradient_checkpointing or None,
            parameters=None if parameters is None else tuple(parameters.split(",")),
        ),
        "load": o.given(device=device, dtype=dtype, attention=attention),
        "convention": o.given(max_length=max_length, template=template, system_prompt=system_prompt),
        "evaluate": o.given(metrics=None if metrics is None else o.listed(metrics), max_new_tokens=max_new_tokens),
    }  # fmt: skip
    resolved = settings(FinetuneRunConfig, over(o.recipe(config, out, overwrite=overwrite), typed))
    from expunge.runs.finetune import run_finetune

    record = run_finetune(resolved, out, arguments=o.TYPED.get(), resume=resume, overwrite=overwrite, phases=Bars())
    finish(record, out, json=json)
