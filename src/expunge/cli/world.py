"""`expunge world make` and `expunge world inject`."""

from pathlib import Path
from typing import Annotated

import typer

from expunge.cli import options as o
from expunge.cli.command import Command

world = typer.Typer(no_args_is_help=True, help="Worlds: data and models with known truth, made here.")
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="people, capitals, tofu:mini …; options as in people:size=3M.")
]


@world.command(cls=Command)
def make(
    name: Name,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Default: runs/world-NAME.")] = None,
    kinds: Annotated[str | None, typer.Option("--kinds", help="Of full, retrained, twin; comma-separated.")] = None,
    seeds: Annotated[int | None, typer.Option("--seeds", metavar="N", help="Models of each kind.")] = None,
    size: Annotated[str | None, typer.Option("--size", help="people: parameters, as 1M, 3M, 8M.")] = None,
    layout: Annotated[str | None, typer.Option("--layout", help="people: llama, gpt2, qwen or gemma.")] = None,
    persons: Annotated[int | None, typer.Option("--persons", help="people: how many.")] = None,
    frequency: Annotated[
        bool, typer.Option("--frequency", help="people: four groups, told of 1, 3, 9 and 27 times.")
    ] = False,
    hidden_qa: Annotated[
        bool, typer.Option("--hidden-qa", help="people: no question about those to forget in the texts.")
    ] = False,
    only: Annotated[str | None, typer.Option("--only", help="tofu: which, as full-0,retrained-1.")] = None,
    json: o.Json = False,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
) -> None:
    """Make a world: its sets as files, its models into the cache (or, of `tofu:…`, into --out), and measure them.

    Example: expunge world make people --frequency --out runs/people
    """
    from expunge.cli.progress import Bars

    options = o.given(
        size=size, layout=layout, persons=persons, frequency=frequency or None, hidden_qa=hidden_qa or None
    )
    typed = o.given(kinds=None if kinds is None else tuple(kinds.split(",")), seeds=seeds)
    if name.partition(":")[0] == "tofu":
        from expunge.errors import ConfigError
        from expunge.models.cache import cache_folder
        from expunge.runs.targets import run_targets

        idle = [*options, *typed, *o.given(overwrite=overwrite or None)]
        if idle:
            raise ConfigError(
                f"--{idle[0].replace('_', '-')} says nothing of {name}: what its targets are is fixed, what is made "
                "already is kept, and what was cut off goes on"
            )
        place = out or cache_folder() / "targets" / name.replace(":", "-")
        made = run_targets(name, place, only=tuple(only.split(",")) if only else (), phases=Bars())
        _said({"models": [str(folder) for folder in made]}, json=json)
        return
    from expunge.cli.finishing import finish_several
    from expunge.config import WorldConfig, settings
    from expunge.runs.world import run_world

    config = settings(WorldConfig, {"world": _named(name, options), **typed})
    place = out or Path("runs") / f"world-{name.replace(':', '-')}"
    record, records = run_world(
        config, place, arguments=o.TYPED.get(), resume=resume, overwrite=overwrite, phases=Bars()
    )
    finish_several(record, records, place, json=json)


@world.command(cls=Command)
def inject(
    name: Name,
    out: o.Out = Path("runs/injected"),
    model: Annotated[
        str | None, typer.Option("--model", metavar="M", help="Into which; default: the world's own that never saw it.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option("--budget", help="Share of all value vectors that may change.")
    ] = None,
    region_seed: Annotated[int | None, typer.Option("--region-seed", help="Of which value vectors.")] = None,
    mask: Annotated[str | None, typer.Option("--mask", metavar="MASK", help="A file: the region itself.")] = None,
    replay: Annotated[
        float | None, typer.Option("--replay", help="Retained texts trained on again, as a share of the planted.")
    ] = None,
    epochs: o.Epochs = None,
    max_steps: o.MaxSteps = None,
    until: o.Until = None,
    learning_rate: o.LearningRate = None,
    batch_size: o.BatchSize = None,
    precision: o.Precision = None,
    seed: o.Seed = None,
    save_as: o.SaveAs = None,
    config: o.ConfigFile = None,
    device: o.Device = None,
    dtype: o.Dtype = None,
    max_length: o.MaxLength = None,
    template: o.Template = None,
    system_prompt: o.SystemPrompt = None,
    include_text: o.IncludeText = False,
    json: o.Json = False,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
) -> None:
    """Plant a world's facts in a chosen region of the weights only, so that where they are stored is known.

    Example: expunge world inject people --budget 0.1 --replay 4 --out runs/injected
    """
    from expunge.cli.finishing import finish
    from expunge.cli.progress import Bars
    from expunge.config import InjectConfig, over
    from expunge.runs.inject import run_inject
    from expunge.runs.suites import check_early, settled

    typed = o.given(
        suite=_named(name, {}), model=model, budget=budget, region_seed=region_seed, mask=mask, replay=replay,
        save_as=save_as, include_text=include_text or None,
    )  # fmt: skip
    typed["train"] = o.given(
        epochs=epochs, max_steps=max_steps, until=until, learning_rate=learning_rate, batch_size=batch_size,
        precision=precision, seed=seed,
    )  # fmt: skip
    typed["load"] = o.given(device=device, dtype=dtype)
    typed["convention"] = o.given(max_length=max_length, template=template, system_prompt=system_prompt)
    first = lambda given: check_early(given, out=out, resume=resume, overwrite=overwrite)
    resolved, suite = settled(InjectConfig, over(o.recipe(config, out, overwrite=overwrite), typed), first)
    assert suite is not None
    record = run_inject(
        resolved, suite, out, arguments=o.TYPED.get(), resume=resume, overwrite=overwrite, phases=Bars()
    )
    finish(record, out, json=json)


def _named(name: str, options: dict[str, object]) -> str:
    """The full name of a world: `people` and options as `world:people:size=3M`."""
    if name.partition(":")[0] == "tofu":
        return name
    full = name if name.startswith("world:") else f"world:{name}"
    if not options:
        return full
    listed = ",".join(
        f"{key}={str(value).lower() if isinstance(value, bool) else value}" for key, value in options.items()
    )
    return f"{full}{',' if full.count(':') > 1 else ':'}{listed}"


def _said(found: dict[str, list[str]], *, json: bool) -> None:
    if json:
        import json as encoder

        print(encoder.dumps(found))
        return
    for name, values in found.items():
        for value in values:
            print(f"{name.removesuffix('s')}: {value}")
