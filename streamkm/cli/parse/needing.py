"""Options that have no effect without another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click


class Needing(click.Option):
    """An option that is refused unless one of several others is given, too.

    Parameters
    ----------
    needs : names of the parameters of the other options, those that the command has
    """

    def __init__(self, *args: Any, needs: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._needs = needs

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        if self.name in opts and not any(name in opts for name in self._needs):
            others = [param for param in ctx.command.params if param.name in self._needs]
            flags = " or ".join(max(param.opts, key=len) for param in others)
            raise click.UsageError(f"{self.opts[0]} has no effect without {flags}.", ctx)
        return super().handle_parse_result(ctx, opts, args)


def needing_option(
    *flags: str, needs: tuple[str, ...], **given: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return an option that has no effect without one of the parameters `needs`."""
    return click.option(*flags, cls=Needing, needs=needs, **given)
