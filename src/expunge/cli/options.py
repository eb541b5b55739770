"""Options that several commands share."""

from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import typer

_MODEL, _RUN, _METHOD = "Model", "Run", "Method"
TYPED: ContextVar[tuple[str, ...]] = ContextVar("typed", default=())  # the command line as typed, for the record

ModelName = Annotated[
    str,
    typer.Option("--model", metavar="M", help="Hub id, folder, adapter, GGUF file, smollm2, or BASE+CHANGE."),
]
Forget = Annotated[
    str | None,
    typer.Option(
        "--forget",
        metavar="F",
        help="What must go: JSON, JSON lines, CSV, Parquet or hub:NAME[:CONFIG][:SPLIT].",
    ),
]
Retain = Annotated[str | None, typer.Option("--retain", metavar="R", help="What must stay.")]
Holdout = Annotated[
    str | None, typer.Option("--holdout", metavar="H", help="Same kind as the forget set, never trained on.")
]
Twins = Annotated[
    str | None,
    typer.Option("--twins", metavar="T", help="Questions about names that do not exist: the never-known level."),
]
Columns = Annotated[
    str | None, typer.Option("--columns", metavar="FROM=TO,…", help="Rename columns, e.g. question=prompt.")
]
Suite = Annotated[
    str | None,
    typer.Option(
        "--suite", metavar="S", help="Sets, convention and metrics of a suite or world: see `expunge ls suites`."
    ),
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the record, the report and what is made.")]
Parameters = Annotated[
    str | None,
    typer.Option(
        "--parameters", rich_help_panel=_METHOD, help="Names or patterns of what may change, comma-separated."
    ),
]
Lora = Annotated[int | None, typer.Option("--lora", rich_help_panel=_METHOD, help="Train adapters of this rank.")]
Epochs = Annotated[int | None, typer.Option("--epochs", rich_help_panel=_METHOD, help="Over the (forget) set.")]
MaxSteps = Annotated[int | None, typer.Option("--max-steps", rich_help_panel=_METHOD)]
Until = Annotated[
    float | None,
    typer.Option("--until", rich_help_panel=_METHOD, help="Stop at this extraction strength on a sample."),
]
LearningRate = Annotated[float | None, typer.Option("--learning-rate", rich_help_panel=_METHOD)]
BatchSize = Annotated[int | None, typer.Option("--batch-size", rich_help_panel=_METHOD)]
Precision = Annotated[
    str | None, typer.Option("--precision", rich_help_panel=_METHOD, help="Of the arithmetic: float32 or bfloat16.")
]
GradientCheckpointing = Annotated[
    bool, typer.Option("--gradient-checkpointing", rich_help_panel=_METHOD, help="Less memory, more time.")
]
EvalEvery = Annotated[
    int | None, typer.Option("--eval-every", rich_help_panel=_METHOD, help="Steps; else at every epoch's end.")
]
EvalRows = Annotated[
    int | None,
    typer.Option("--eval-rows", rich_help_panel=_METHOD, help="So many of each set are measured then; else all."),
]
Seed = Annotated[int | None, typer.Option("--seed", rich_help_panel=_METHOD)]
Metrics = Annotated[str | None, typer.Option("--metrics", help="Comma-separated; see `expunge ls metrics`.")]
MaxNewTokens = Annotated[
    int | None, typer.Option("--max-new-tokens", help="Of a generated answer; else the longest right one has room.")
]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Measure all anew, and keep nothing of it for the next time.")
]
SaveAs = Annotated[str | None, typer.Option("--save-as", help="change, peft or full; the change is saved always.")]
Device = Annotated[str | None, typer.Option("--device", rich_help_panel=_MODEL, help="auto, cpu, cuda, cuda:1 …")]
Dtype = Annotated[
    str | None,
    typer.Option("--dtype", rich_help_panel=_MODEL, help="Type of the weights: float32, bfloat16, float16."),
]
Attention = Annotated[
    str | None, typer.Option("--attention", rich_help_panel=_MODEL, help="packed, which scoring and training need.")
]
MaxLength = Annotated[
    int | None,
    typer.Option("--max-length", rich_help_panel=_MODEL, help="Longest example in tokens; nothing is cut off."),
]
Template = Annotated[
    str | None,
    typer.Option("--template", rich_help_panel=_MODEL, help="auto, chat, plain, or a text with {prompt} and {answer}."),
]
SystemPrompt = Annotated[
    str | None,
    typer.Option("--system-prompt", rich_help_panel=_MODEL, help="System message of a chat template."),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", rich_help_panel=_RUN, help="A recipe (YAML); options given here win."),
]
IncludeText = Annotated[
    bool,
    typer.Option(
        "--include-text",
        rich_help_panel=_RUN,
        help="Let texts of the sets and answers stand in records and reports.",
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", rich_help_panel=_RUN, help="One JSON document on stdout, everything else on stderr."),
]
Resume = Annotated[bool, typer.Option("--resume", rich_help_panel=_RUN, help="Go on with an interrupted run.")]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", rich_help_panel=_RUN, help="Replace what an earlier run wrote to --out."),
]


def given(**values: Any) -> dict[str, Any]:
    """Only what was given."""
    return {name: value for name, value in values.items() if value is not None}


def renamed(text: str | None) -> dict[str, str] | None:
    """`question=prompt,reply=answer` as a mapping; ConfigError if it is not of that form."""
    from expunge.errors import ConfigError

    if text is None:
        return None
    pairs = [pair.partition("=") for pair in text.split(",")]
    if wrong := [left for left, equals, right in pairs if not (left.strip() and equals and right.strip())]:
        raise ConfigError(f"--columns: expected FROM=TO, found {wrong[0]!r}")
    return {left.strip(): right.strip() for left, _, right in pairs}


def recipe(path: Path | None, out: Path, *, overwrite: bool) -> dict[str, Any]:
    """The settings of a YAML file; ConfigError if it cannot be read or is no mapping.

    OutputError where it lies in what `overwrite` would take away.
    """
    from expunge.errors import ConfigError

    if path is None:
        return {}
    import yaml

    from expunge.runs.folder import check_inputs

    check_inputs(out, [str(path)], overwrite=overwrite)
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"--config {path}: {error}") from None
    if not isinstance(found, dict):
        raise ConfigError(f"--config {path}: expected settings (name: value), found {type(found).__name__}")
    if wrong := [name for name in found if not isinstance(name, str)]:
        raise ConfigError(f"--config {path}: expected settings (name: value), found the name {wrong[0]!r}")
    return found


def listed(text: str) -> tuple[str, ...]:
    """`sam:rho=0.02,gru`: a part with = and without : belongs to the name before it."""
    found: list[str] = []
    for part in filter(None, text.split(",")):
        if "=" in part and ":" not in part and found:
            found[-1] += f",{part}"
        else:
            found.append(part)
    return tuple(found)
