"""`expunge audit`."""

from pathlib import Path
from typing import Annotated

import typer

from expunge.cli import options as o

_AUDIT = "Audit"
NOT_MET = 3  # exit code: a requirement did not hold


Before = Annotated[
    str | None, typer.Option("--before", metavar="M", help="The original model: anything that --model takes.")
]
After = Annotated[str | None, typer.Option("--after", metavar="M2", help="The unlearned model; often BASE+CHANGE.")]
Retrained = Annotated[
    str | None,
    typer.Option(
        "--retrained",
        metavar="M3,…",
        help="Models that never saw the forget set, or folders with evaluations of them. Three or more are best.",
    ),
]
Panel = Annotated[
    str | None,
    typer.Option("--panel", rich_help_panel=_AUDIT, help="full, or quick: no relearning, 16 samples, no rate."),
]
Attacks = Annotated[
    str | None,
    typer.Option(
        "--attacks", rich_help_panel=_AUDIT, help="Only these, NAME:key=value,…; see `expunge ls attacks`. No rate."
    ),
]
Require = Annotated[
    list[str] | None,
    typer.Option(
        "--require",
        rich_help_panel=_AUDIT,
        help="Exit with 3 unless it holds: never_knew>=0.9, utility>=0.95, known<=0 … Several, or several times.",
    ),
]
Delta = Annotated[
    float | None, typer.Option("--delta", rich_help_panel=_AUDIT, help="How near to never-known is near.")
]
Edges = Annotated[
    str | None,
    typer.Option(
        "--edges", metavar="N,…", rich_help_panel=_AUDIT, help="Of buckets of frequency, where examples have counts."
    ),
]
By = Annotated[
    str | None,
    typer.Option(
        "--by", rich_help_panel=_AUDIT, help="What buckets go by: count, or a proxy (margin, paraphrase, popularity)."
    ),
]
Seed = Annotated[int | None, typer.Option("--seed", rich_help_panel=_AUDIT)]


def audit(
    before: Before = None,
    after: After = None,
    retrained: Retrained = None,
    suite: o.Suite = None,
    forget: o.Forget = None,
    out: o.Out = Path("runs/audit"),
    retain: o.Retain = None,
    holdout: o.Holdout = None,
    twins: o.Twins = None,
    columns: o.Columns = None,
    panel: Panel = None,
    attacks: Attacks = None,
    require: Require = None,
    delta: Delta = None,
    edges: Edges = None,
    by: By = None,
    seed: Seed = None,
    metrics: o.Metrics = None,
    max_new_tokens: o.MaxNewTokens = None,
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
    """Is it gone, what did it cost, and what brings it back? A verdict, with what it does not prove.

    Example: expunge audit --suite world:people --before world:people@full --after world:people@full+change.safetensors
    --retrained world:people@retrained#0,world:people@retrained#1,world:people@retrained#2 --out runs/audit
    """
    from expunge.audit.panel import panel_of
    from expunge.audit.require import parse
    from expunge.cli.finishing import finish
    from expunge.cli.progress import Bars
    from expunge.config import AuditRunConfig, over
    from expunge.errors import ConfigError
    from expunge.runs.suites import check_early, settled

    required = parse(",".join(require or ()))
    typed = o.given(
        before=before, after=after, retrained=None if retrained is None else o.listed(retrained), suite=suite,
        forget=forget, retain=retain, holdout=holdout, twins=twins, columns=o.renamed(columns),
        include_text=include_text or None,
    )  # fmt: skip
    typed |= {
        "load": o.given(device=device, dtype=dtype, attention=attention),
        "convention": o.given(max_length=max_length, template=template, system_prompt=system_prompt),
        "evaluate": o.given(metrics=None if metrics is None else o.listed(metrics), max_new_tokens=max_new_tokens),
        "audit": o.given(
            panel=panel, attacks=None if attacks is None else o.listed(attacks), delta=delta, seed=seed,
            edges=None if edges is None else o.listed(edges), by=by,
        ),
    }  # fmt: skip

    def first(given: AuditRunConfig) -> None:
        check_early(given, out=out, resume=resume, overwrite=overwrite)
        if any(each.needs_rate for each in required) and not panel_of(given.audit.panel, given.audit.attacks).whole:
            raise ConfigError("--require never_knew: the rate needs the full panel; leave out --panel and --attacks")

    resolved, found = settled(AuditRunConfig, over(o.recipe(config, out, overwrite=overwrite), typed), first)
    from expunge.runs.audit import run_audit

    record = run_audit(
        resolved, out, suite=found, arguments=o.TYPED.get(), resume=resume, overwrite=overwrite, phases=Bars()
    )
    finish(record, out, json=json)
    assert record.audit is not None
    broken = [each.said(record.audit) for each in required if not each.holds(record.audit)]
    for line in broken:
        typer.echo(line, err=True)
    if broken:
        raise typer.Exit(NOT_MET)
