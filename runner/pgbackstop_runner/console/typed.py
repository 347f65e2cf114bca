"""What a person types before something is replaced or dropped: the whole name, letter by letter."""

from __future__ import annotations

from aiohttp import web

from pgbackstop_catalog import errors
from pgbackstop_catalog.text import said
from pgbackstop_runner.console.app import ConsoleContext


def require_text(*given: str) -> None:
    """Raises ConfigError for what no command line and no name can hold."""
    if any("\0" in each for each in given):
        raise errors.ConfigError(said("What was given has a NUL in it."), remedy=said("Write it anew."))


async def require_typed(
    context: ConsoleContext, request: web.Request, who: str, name: str, deed: str, *, typed: str
) -> None:
    """Raises ConfigError where ``typed`` is not the name; that is in the audit then.

    Nothing need be typed where the name is "".
    """
    if not name or typed == name:
        return
    await context.audited(request, who, deed, "", "refused: typed name")
    problem = said("The name {name!r} was not typed; nothing was touched.", name=name)
    if typed:
        problem = said("{typed!r} is not {name!r}; nothing was touched.", typed=typed, name=name)
    raise errors.ConfigError(problem, remedy=said("Go back, and type it letter by letter as it is shown."))
