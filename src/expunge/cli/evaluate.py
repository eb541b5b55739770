"""`expunge evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from expunge.cli import options as o


def evaluate(
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="M", help="Hub id, folder, adapter, GGUF file, smollm2, or BASE+CHANGE."),
    ] = None,
    suite: o.Suite = None,
    forget: o.Forget = None,
    out: o.Out = Path("runs/evaluate"),
    retain: o.Retain = None,
    holdout: o.Holdout = None,
    twins: o.Twins = None,
    columns: o.Columns = None,
    metrics: o.Metrics = None,
    max_new_tokens: o.MaxNewTokens = None,
    no_cache: o.NoCache = False,
    lm_eval: Annotated[
        str | None,
        typer.Option("--lm-eval", metavar="TASK,…", help="Tasks of lm-evaluation-harness, e.g. mmlu:limit=20,shots=5."),
    ] = None,
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
    """Measure what a model knows of the given sets.

    Example: expunge evaluate --model smollm2+runs/first/change.safetensors --forget forget.jsonl --out runs/check
    """
    from expunge.cli.finishing import finish
    from expunge.cli.progress import Bars
    from expunge.config import EvaluateRunConfig, over
    from expunge.errors import ConfigError
    from expunge.runs.suites import check_early, settled

    typed = o.given(
        model=model, suite=suite, forget=forget, retain=retain, holdout=holdout, twins=twins,
        columns=o.renamed(columns), include_text=include_text or None,
        lm_eval=None if lm_eval is None else o.listed(lm_eval),
    )  # fmt: skip
    typed |= {
        "load": o.given(device=device, dtype=dtype, attention=attention),
        "convention": o.given(max_length=max_length, template=template, system_prompt=system_prompt),
        "evaluate": o.given(
            metrics=None if metrics is None else o.listed(metrics),
            max_new_tokens=max_new_tokens,
            cache=False if no_cache else None,
        ),
    }
    first = lambda given: check_early(given, out=out, resume=resume, overwrite=overwrite)
    resolved, found = settled(EvaluateRunConfig, over(o.recipe(config, out, overwrite=overwrite), typed), first)
    sets = found or resolved.forget or resolved.retain or resolved.holdout or resolved.twins
    if not (sets or resolved.lm_eval):
        raise ConfigError("nothing to measure on: give --suite, --forget, --retain, --holdout, --twins or --lm-eval")
    from expunge.runs.evaluate import run_evaluate

    record = run_evaluate(
        resolved, out, suite=found, arguments=o.TYPED.get(), resume=resume, overwrite=overwrite, phases=Bars()
    )
    finish(record, out, json=json)
