"""`expunge count`."""

from pathlib import Path
from typing import Annotated

import typer

from expunge.cli import options as o

_INDEX, _PROXY = "infini-gram", "Proxies"


def count(
    corpus: Annotated[
        list[str] | None,
        typer.Option("--corpus", metavar="PATH…", help="Files, folders or patterns; several, or several times."),
    ] = None,
    more: Annotated[list[str] | None, typer.Argument(metavar="[PATH…]", help="More of the corpus.")] = None,
    forget: o.Forget = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The examples with their counts; the record goes beside it.")
    ] = Path("runs/counted.jsonl"),
    columns: o.Columns = None,
    engine: Annotated[str | None, typer.Option("--engine", help="stream (reads all, exact) or infini-gram.")] = None,
    window: Annotated[
        int | None, typer.Option("--window", metavar="N", help="Both within so many words; else in a document.")
    ] = None,
    aliases: Annotated[
        str | None, typer.Option("--aliases", metavar="FILE", help='Other names, as JSON: {"a name": ["others"]}.')
    ] = None,
    field: Annotated[
        str | None, typer.Option("--field", help="Of a row, that holds its text; else `text`, or question and answer.")
    ] = None,
    documents: Annotated[
        str | None, typer.Option("--documents", help="Of a plain text: line, passage or file.")
    ] = None,
    machines: Annotated[
        str | None, typer.Option("--machines", help="local, or ray: the cluster that RAY_ADDRESS names.")
    ] = None,
    processes: Annotated[int | None, typer.Option("--processes", help="Else one for each processor.")] = None,
    index: Annotated[
        str | None,
        typer.Option("--index", metavar="DIR", rich_help_panel=_INDEX, help="Opened, or built of the corpus."),
    ] = None,
    tokenizer: Annotated[
        str | None, typer.Option("--tokenizer", rich_help_panel=_INDEX, help="Of an index that was not built here.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", rich_help_panel=_INDEX, help="Places of a name; above it, an estimate.")
    ] = None,
    memory: Annotated[
        int | None, typer.Option("--memory", rich_help_panel=_INDEX, help="GiB, while an index is built.")
    ] = None,
    proxy: Annotated[
        str | None,
        typer.Option("--proxy", rich_help_panel=_PROXY, help="In place of counting: margin, paraphrase, popularity."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="M", rich_help_panel=_PROXY, help="That margin and paraphrase read."),
    ] = None,
    device: o.Device = None,
    dtype: o.Dtype = None,
    max_length: o.MaxLength = None,
    template: o.Template = None,
    system_prompt: o.SystemPrompt = None,
    config: o.ConfigFile = None,
    json: o.Json = False,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
) -> None:
    """Count how often each fact of a set stands in a corpus: its subject, its answer, and both together.

    Where the corpus is closed, --proxy rates facts by what a model knows of them, or by how common their words are.

    Example: expunge count --corpus corpus/ --forget forget.jsonl --out counted.jsonl
    """
    from expunge.cli.progress import Bars
    from expunge.config import CountConfig, over, settings
    from expunge.record_file import to_json
    from expunge.runs.count import run_count

    paths = (*(corpus or ()), *(more or ()))
    typed = o.given(
        corpus=paths or None, forget=forget, columns=o.renamed(columns), engine=engine, window=window, aliases=aliases,
        field=field, documents=documents, machines=machines, processes=processes, index=index, tokenizer=tokenizer,
        limit=limit, memory=memory, proxy=proxy, model=model,
    )  # fmt: skip
    typed |= {
        "load": o.given(device=device, dtype=dtype),
        "convention": o.given(max_length=max_length, template=template, system_prompt=system_prompt),
    }
    resolved = settings(CountConfig, over(o.recipe(config, out, overwrite=overwrite), typed))
    record = run_count(resolved, out, arguments=o.TYPED.get(), resume=resume, overwrite=overwrite, phases=Bars())
    if json:
        print(to_json(record), end="")
        return
    print("\n".join(record.headline))
    print(f"{out.name}: {out}")
