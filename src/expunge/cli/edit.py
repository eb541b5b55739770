"""`expunge edit`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from expunge.cli import options as o

_EDIT = "Edit"

Model = Annotated[
    str | None,
    typer.Option("--model", metavar="M", help="Hub id, folder, adapter, GGUF file, smollm2, or BASE+CHANGE."),
]
Editor = Annotated[
    str | None,
    typer.Option("--editor", metavar="NAME", rich_help_panel=_EDIT, help="NAME:key=value,…; see `expunge ls editors`."),
]
Target = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="TEXT",
        rich_help_panel=_EDIT,
        help="What is said instead: refusal, refusals, self (the model's own), empty, alternate, or a text.",
    ),
]
MergeQueries = Annotated[
    int | None, typer.Option("--merge-queries", metavar="N", rich_help_panel=_EDIT, help="So many become one edit.")
]
MergeBy = Annotated[
    str | None,
    typer.Option("--merge-by", rich_help_panel=_EDIT, help="text (one long prompt) or keys (one shared value)."),
]
Wordings = Annotated[
    bool, typer.Option("--wordings", rich_help_panel=_EDIT, help="Edit the paraphrases of the prompts, too.")
]
Without = Annotated[
    str | None,
    typer.Option(
        "--without",
        metavar="IDS",
        rich_help_panel=_EDIT,
        help="Ids of forget examples that are taken back: the edit as if they had never been asked for.",
    ),
]
Corpus = Annotated[
    str | None,
    typer.Option(
        "--corpus",
        metavar="FILE",
        rich_help_panel=_EDIT,
        help="Texts whose keys are protected (.txt, .json, .jsonl …); else the model's own.",
    ),
]


def edit(
    model: Model = None,
    suite: o.Suite = None,
    forget: o.Forget = None,
    out: o.Out = Path("runs/edit"),
    retain: o.Retain = None,
    holdout: o.Holdout = None,
    twins: o.Twins = None,
    columns: o.Columns = None,
    editor: Editor = None,
    target: Target = None,
    merge_queries: MergeQueries = None,
    merge_by: MergeBy = None,
    wordings: Wordings = False,
    without: Without = None,
    corpus: Corpus = None,
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
    no_cache: o.NoCache = False,
    json: o.Json = False,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
) -> None:
    """Redirect facts: what must go is answered with a refusal, and the change (or the side memory) is saved.

    Example: expunge edit --model smollm2 --forget forget.jsonl --retain retain.jsonl --editor memit --out runs/edit
    """
    from expunge.cli.finishing import finish
    from expunge.cli.progress import Bars
    from expunge.config import UnlearnConfig, over, parse_name
    from expunge.edit import editors
    from expunge.runs.suites import check_early, settled

    name, own = parse_name(editor or "memit")
    own |= o.given(
        target=target, merge_queries=merge_queries, merge_by=merge_by, wordings=wordings or None, corpus=corpus,
        without=without,
    )  # fmt: skip
    train: dict[str, Any] = {**o.given(seed=seed), "method": name, "options": own}
    typed = o.given(
        model=model, suite=suite, forget=forget, retain=retain, holdout=holdout, twins=twins,
        columns=o.renamed(columns), save_as=save_as, include_text=include_text or None,
    )  # fmt: skip
    typed |= {
        "train": train,
        "load": o.given(device=device, dtype=dtype, attention=attention),
        "convention": o.given(max_length=max_length, template=template, system_prompt=system_prompt),
        "evaluate": o.given(
            metrics=None if metrics is None else o.listed(metrics), max_new_tokens=max_new_tokens,
            cache=False if no_cache else None,
        ),
    }  # fmt: skip
    below = o.recipe(config, out, overwrite=overwrite)
    if editor is None:  # a recipe's options belong to its editor, or to the usual one; those given here win
        named, options = _of_recipe(below)
        if named is not None:
            del train["method"]
            name = named
        train["options"] = {**options, **own}
    if no_cache and name in editors and editors.get(name).facts:
        train["options"]["cache"] = False  # other editors keep nothing
    from expunge.runs.unlearn import check_editor, run_edit

    def first(given: UnlearnConfig) -> None:
        check_editor(given.train.method)
        check_early(given, out=out, resume=resume, overwrite=overwrite)

    resolved, found = settled(UnlearnConfig, over(below, typed), first)
    record = run_edit(
        resolved, out, suite=found, arguments=o.TYPED.get(), resume=resume, overwrite=overwrite, phases=Bars()
    )
    finish(record, out, json=json)


def _of_recipe(below: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """The editor that a recipe names, if it does, and the options in it; ConfigError for options that are none."""
    from expunge.errors import ConfigError

    train = below.get("train")
    if not isinstance(train, dict):
        return None, {}
    options = train.get("options", {})
    if not isinstance(options, dict):
        raise ConfigError(f"train.options: expected settings (name: value), found {options!r}")
    return (str(train["method"]) if "method" in train else None), options
