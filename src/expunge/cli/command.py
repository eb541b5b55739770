"""What all commands have in common."""

from typing import Any

from typer.core import TyperCommand, TyperOption

from expunge.errors import UsageError


class Command(TyperCommand):
    """An option that takes one value and is given two would silently be the last: half of a request would be lost."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(list(args))
        for option in order:
            once = isinstance(option, TyperOption) and not option.multiple and not option.is_flag
            if once and (count := order.count(option)) > 1:
                raise UsageError(f"{option.opts[0]} is given {count} times, and takes one value")
        return super().parse_args(ctx, args)
