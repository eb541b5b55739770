"""`expunge extrapolate` and `expunge merge`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from expunge.cli import options as o

if TYPE_CHECKING:
    from expunge.config import ExtrapolateRunConfig, MergeRunConfig
    from expunge.suites import Suite

Base = Annotated[str, typer.Option("--base", metavar="M", help="The model it began with; names are as for --model.")]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the model and its record.")]


def extrapolate(
    base: Base,
    tuned: Annotated[str, typer.Option("--tuned", metavar="M", help="What unlearning made of it.")],
    alpha: Annotated[
        str,
        typer.Option(
            "--alpha", metavar="X", help="How far beyond: a number, PATTERN=X,… by tensors' names, auto, or a selector."
        ),
    ],
    out: Out,
    suite: o.Suite = None,
    forget: o.Forget = None,
    retain: o.Retain = None,
    holdout: o.Holdout = None,
    twins: o.Twins = None,
    columns: o.Columns = None,
    retrained: Annotated[
        str | None, typer.Option("--retrained", metavar="M", help="Never saw the forget set; for choosing alpha.")
    ] = None,
    device: o.Device = None,
    dtype: o.Dtype = None,
    max_length: o.MaxLength = None,
    template: o.Template = None,
    system_prompt: o.SystemPrompt = None,
    json: o.Json = False,
    overwrite: o.Overwrite = False,
) -> None:
    """Go on from the base beyond what unlearning reached (UIPE). Streams: memory stays small at any size.

    Example: expunge extrapolate --base models/full --tuned models/forgot --alpha 0.5 --out models/further
    """
    from expunge.config import ExtrapolateRunConfig
    from expunge.runs.suites import settled

    typed = {"base": base, "tuned": tuned, "alpha": alpha}
    typed |= o.given(
        suite=suite, forget=forget, retain=retain, holdout=holdout, twins=twins, columns=o.renamed(columns),
        retrained=retrained,
    )  # fmt: skip
    typed |= {
        "load": o.given(device=device, dtype=dtype),
        "convention": o.given(max_length=max_length, template=template, system_prompt=system_prompt),
    }
    config, found = settled(ExtrapolateRunConfig, typed)
    _combine(config, out, json, overwrite, found)


def merge(
    base: Base,
    tuned: Annotated[str, typer.Option("--tuned", metavar="M,…", help="What was trained from it, one or several.")],
    method: Annotated[str, typer.Option("--method", help="NAME:key=value,…; see `expunge ls arithmetic`.")],
    out: Out,
    json: o.Json = False,
    overwrite: o.Overwrite = False,
) -> None:
    """Arithmetic on task vectors: negate, add, TIES, DARE. Streams: memory stays small at any size.

    Example: expunge merge --base models/full --tuned models/taught --method negate:scale=1 --out models/forgot
    """
    from expunge.config import MergeRunConfig, parse_name, settings

    name, options = parse_name(method)
    given = {"base": base, "tuned": o.listed(tuned), "method": name, "options": options}
    _combine(settings(MergeRunConfig, given), out, json, overwrite)


def _combine(
    config: "ExtrapolateRunConfig | MergeRunConfig",
    out: Path,
    json: bool,
    overwrite: bool,
    suite: "Suite | None" = None,
) -> None:
    from expunge.cli.progress import Bars
    from expunge.record_file import to_json
    from expunge.runs.combine import run_combine

    record = run_combine(config, out, suite=suite, arguments=o.TYPED.get(), overwrite=overwrite, phases=Bars())
    if json:
        print(to_json(record), end="")
        return
    remarks = [said for outcome in record.methods.values() for said in outcome.warnings]
    print("\n".join((*record.headline, *remarks)))
    print(f"model: {out}")
