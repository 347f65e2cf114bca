"""``pgbackstop pin``: keep a backup, whatever retention says."""

from __future__ import annotations

from typing import Annotated

import typer

from pgbackstop_runner import terminal
from pgbackstop_runner.cli import options

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(
    epilog=options.examples(
        "pin 20261122T020000Z-5f3a9c04 --note 'before the migration'",
        "pin 20261122T02 --until 2027-01-31T00:00:00Z",
    )
)
def pin(
    backup: Annotated[str, typer.Argument(metavar="ID", help="The backup, or the beginning of its id.")],
    *,
    note: Annotated[str, typer.Option(help="Why, for those who come later.")] = "",
    until: Annotated[
        str | None, typer.Option(help="When the pin ends, with a zone: 2027-01-31T00:00:00Z.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Keep a backup, and what it is built on, whatever retention says. A pin that it had is replaced."""
    opened = options.open_for_work()
    from pgbackstop_runner.expire import pin as pins  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main

    done = pins.pin(opened, backup, pins.made(note=note, until=options.moment(until)))
    if json:
        terminal.value(done)
    else:
        terminal.say(f"Backup {done.id} is {done.pinned}.")
