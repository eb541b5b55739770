"""`expunge unlearn`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from expunge.cli import options as o

_METHOD = "Method"


Model = Annotated[
    str | None,
    typer.Option("--model", metavar="M", help="Hub id, folder, adapter, GGUF file, smollm2, or BASE+CHANGE."),
]
Method = Annotated[
    str | None,
    typer.Option(
        "--method",
        rich_help_panel=_METHOD,
        help="An objective, a procedure (clue) or an editor, NAME:key=value,…; see `expunge ls`.",
    ),
]
RetainLoss = Annotated[
    str | None, typer.Option("--retain-loss", rich_help_panel=_METHOD, help="nll, kl, hidden, mlp_regression or none.")
]
RetainWeight = Annotated[float | None, typer.Option("--retain-weight", rich_help_panel=_METHOD)]
ForgetWeight = Annotated[float | None, typer.Option("--forget-weight", rich_help_panel=_METHOD)]
Retrained = Annotated[
    str | None,
    typer.Option(
        "--retrained",
        metavar="M",
        rich_help_panel=_METHOD,
        help="A model that never saw the forget set: the never-known level, and what mlp_regression measures against.",
    ),
]
Wrap = Annotated[
    str | None,
    typer.Option("--wrap", rich_help_panel=_METHOD, help="Of the gradient step: sam, gru, lat; comma-separated."),
]
Localize = Annotated[
    str | None,
    typer.Option(
        "--localize",
        metavar="NAME[:budget=0.1]",
        rich_help_panel=_METHOD,
        help="What finds the weights that may change; see `expunge ls localizers`.",
    ),
]
Extrapolate = Annotated[
    str | None,
    typer.Option(
        "--extrapolate",
        metavar="auto|A|NAME",
        rich_help_panel=_METHOD,
        help="Go beyond what training found by a factor 1 + alpha: chosen, given, or a selector, NAME:key=value,…",
    ),
]
Stop = Annotated[
    str | None,
    typer.Option(
        "--stop",
        rich_help_panel=_METHOD,
        help="never; never-known: an example rests at its twins' level; leave[:every=10,margin=0.1]: it is not drawn.",
    ),
]
Strength = Annotated[
    str | None,
    typer.Option(
        "--strength",
        metavar="BY[:power=1]",
        rich_help_panel=_METHOD,
        help="Of each example's loss, by frequency: count, or a proxy (margin, paraphrase, popularity).",
    ),
]
Curriculum = Annotated[
    str | None,
    typer.Option(
        "--curriculum",
        metavar="ORDER[:epochs=1/2/3]",
        rich_help_panel=_METHOD,
        help="Buckets of frequency, rare-first, frequent-first or mixed: epochs=…,rates=…,edges=…,by=…",
    ),
]
EarlyStop = Annotated[
    bool,
    typer.Option("--early-stop", rich_help_panel=_METHOD, help="Stop once the forget level is the never-known one."),
]


def unlearn(
    model: Model = None,
    suite: o.Suite = None,
    forget: o.Forget = None,
    out: o.Out = Path("runs/unlearn"),
    retain: o.Retain = None,
    holdout: o.Holdout = None,
    twins: o.Twins = None,
    columns: o.Columns = None,
    method: Method = None,
    retain_loss: RetainLoss = None,
    retain_weight: RetainWeight = None,
    forget_weight: ForgetWeight = None,
    retrained: Retrained = None,
    wrap: Wrap = None,
    stop: Stop = None,
    strength: Strength = None,
    curriculum: Curriculum = None,
    localize: Localize = None,
    extrapolate: Extrapolate = None,
    parameters: o.Parameters = None,
    lora: o.Lora = None,
    epochs: o.Epochs = None,
    max_steps: o.MaxSteps = None,
    learning_rate: o.LearningRate = None,
    batch_size: o.BatchSize = None,
    precision: o.Precision = None,
    gradient_checkpointing: o.GradientCheckpointing = False,
    eval_every: o.EvalEvery = None,
    eval_rows: o.EvalRows = None,
    early_stop: EarlyStop = False,
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
    """Make a model forget a set of facts or documents, keep the rest, and save the change.

    Example: expunge unlearn --model smollm2 --forget forget.jsonl --retain retain.jsonl --out runs/first
    """
    from expunge.cli.finishing import finish
    from expunge.cli.progress import Bars
    from expunge.config import UnlearnConfig, over
    from expunge.runs.suites import check_early, settled

    train: dict[str, Any] = o.given(
        retain_weight=retain_weight, forget_weight=forget_weight, stop=stop, lora=lora, epochs=epochs,
        max_steps=max_steps, learning_rate=learning_rate, batch_size=batch_size, precision=precision,
        gradient_checkpointing=gradient_checkpointing or None, eval_every=eval_every, eval_rows=eval_rows,
        early_stop=early_stop or None, seed=seed, localize=localize, extrapolate=extrapolate, retrained=retrained,
        strength=strength, curriculum=curriculum,
        wrap=None if wrap is None else o.listed(wrap),
        parameters=None if parameters is None else tuple(parameters.split(",")),
    )  # fmt: skip
    train |= _named("method", "options", method) | _named("retain_loss", "retain_options", retain_loss)
    typed = o.given(
        model=model, suite=suite, forget=forget, retain=retain, holdout=holdout, twins=twins,
        columns=o.renamed(columns), save_as=save_as, include_text=include_text or None,
    )  # fmt: skip
    typed |= {
        "train": train,
        "load": o.given(device=device, dtype=dtype, attention=attention),
        "convention": o.given(max_length=max_length, template=template, system_prompt=system_prompt),
        "evaluate": o.given(metrics=None if metrics is None else o.listed(metrics), max_new_tokens=max_new_tokens),
    }
    first = lambda given: check_early(given, out=out, resume=resume, overwrite=overwrite)
    resolved, found = settled(UnlearnConfig, over(o.recipe(config, out, overwrite=overwrite), typed), first)
    from expunge.runs.unlearn import run_unlearn

    record = run_unlearn(
        resolved, out, suite=found, arguments=o.TYPED.get(), resume=resume, overwrite=overwrite, phases=Bars()
    )
    finish(record, out, json=json)


def _named(name: str, options: str, text: str | None) -> dict[str, Any]:
    """`NAME:key=value` as two settings; "none" is no retain loss."""
    from expunge.config import parse_name

    if text is None:
        return {}
    chosen, values = parse_name(text)
    return {name: None if chosen == "none" else chosen, options: values}
