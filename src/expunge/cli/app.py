"""All commands under one roof, and what becomes of an error."""

import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from expunge import __version__
from expunge.cli import (
    apply,
    arithmetic,
    audit,
    bench,
    circuits,
    convert,
    count,
    demo,
    edit,
    evaluate,
    finetune,
    localize,
    ls,
    relate,
    report,
    study,
    unlearn,
    world,
)
from expunge.cli import options as o
from expunge.cli.command import Command
from expunge.errors import ExpungeError, UsageError


class _PlainGroup(TyperGroup):
    """`expunge --help` without rich, whose import costs as much as everything else together. Commands' help has it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "rich_markup_mode": None})


app = typer.Typer(
    name="expunge",
    cls=_PlainGroup,
    help="Remove knowledge from causal language models, and prove how far it is gone.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
command = partial(app.command, cls=Command)
command("demo", short_help="Make a real model forget real facts, offline, and report.")(demo.demo)
command("unlearn", short_help="Make a model forget a set, keep the rest, save the change.")(unlearn.unlearn)
command("edit", short_help="Redirect facts in closed form, save the change.")(edit.edit)
command("finetune", short_help="Teach a model a set, save the change.")(finetune.finetune)
command("localize", short_help="Find the weights that hold what must go, as a mask.")(localize.localize)
command("circuits", short_help="Which parts must go, which stay, which are in conflict.")(circuits.circuits)
command("evaluate")(evaluate.evaluate)
command("relate", short_help="What hangs together, by gradients; what went along.")(relate.relate)
command("audit", short_help="Is it gone, what did it cost, what brings it back?")(audit.audit)
command("apply", short_help="Apply a saved change to a model.")(apply.apply)
command("revert", short_help="Undo a change that was applied, bit for bit.")(apply.revert)
command("extrapolate", short_help="Go beyond what unlearning reached, at any size.")(arithmetic.extrapolate)
command("merge", short_help="Arithmetic on models: negate, add, TIES, DARE.")(arithmetic.merge)
command("bench", short_help="Tune, run, audit and rank many methods on the same terms.")(bench.bench)
command("study", short_help="The experiment of a paper, end to end, with statistics.")(study.study)
command("count", short_help="How often each fact of a set stands in a corpus.")(count.count)
command("convert", short_help="Others' result files into a record.")(convert.convert)
command("report", short_help="One report from one or several runs.")(report.report)
app.add_typer(world.world, name="world", short_help="Make data and models with known truth.")
command("ls")(ls.ls)


def _version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"expunge {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code. Expected errors are a line or a few on stderr, never a traceback."""
    o.TYPED.set(tuple(arguments))
    try:
        result = app(args=list(arguments), prog_name="expunge", standalone_mode=False)
        code = result if isinstance(result, int) else 0
    except (typer.Abort, KeyboardInterrupt):
        code = 130
    except ExpungeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except BrokenPipeError:  # `expunge ls | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor may the flush at exit fail
        return 1
    except OSError as error:  # no permission, a full disk
        print(f"error: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        if hasattr(error, "show") and hasattr(error, "exit_code"):  # the parser's own errors
            error.show()  # type: ignore[attr-defined]
            return 2
        raise
    if code == 130:
        print(f"interrupted{_way_on(arguments)}", file=sys.stderr)
    return code


_RESUMED = {
    "unlearn", "edit", "finetune", "world", "audit", "bench", "study", "relate", "count", "circuits",
}  # fmt: skip


def _way_on(arguments: Sequence[str]) -> str:
    """How a command that was interrupted is taken up again."""
    command = arguments[0] if arguments else ""
    if command == "evaluate" and "--no-cache" not in arguments:  # keeps what it observes, and its folder comes last
        return "; the same command goes on"
    if command not in _RESUMED:
        return ""
    return f"; the same command with --resume{' in place of --overwrite' if '--overwrite' in arguments else ''} goes on"
