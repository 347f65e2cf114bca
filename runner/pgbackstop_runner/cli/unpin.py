"""``pgbackstop unpin``: let retention judge a pinned backup again."""

from __future__ import annotations

from typing import Annotated

import typer

from pgbackstop_runner import terminal
from pgbackstop_runner.cli import options

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(epilog=options.examples("unpin 20261122T020000Z-5f3a9c04"))
def unpin(
    backup: Annotated[str, typer.Argument(metavar="ID", help="The backup, or the beginning of its id.")],
    *,
    json: options.Json = False,
) -> None:
    """Let retention judge a pinned backup again; the next expire may take it."""
    opened = options.open_for_work()
    from pgbackstop_runner.expire import pin  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main

    done = pin.unpin(opened, backup)
    if json:
        terminal.value(done)
    else:
        terminal.say(f"Backup {done.id} is not pinned any more.")
