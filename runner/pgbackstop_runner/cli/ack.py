"""``pgbackstop ack``: take note of rows that vanished, and let the backup go that was held for them."""

from __future__ import annotations

from typing import Annotated

import typer

from pgbackstop_runner import terminal
from pgbackstop_runner.cli import options

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def ack(
    backup: Annotated[
        str, typer.Argument(metavar="ID", help="The backup that saw rows vanish, or the beginning of its id.")
    ],
    *,
    note: Annotated[str, typer.Option(help="Why it is well, for those who come later.")] = "",
    json: options.Json = False,
) -> None:
    """Acknowledge that rows vanished: the alert ends, and retention may take the backup that has them.

    Exit code 1 where there is nothing to acknowledge.
    """
    opened = options.open_for_work()
    from pgbackstop_runner.expire import acknowledge  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main

    done = acknowledge.acknowledge(opened, backup, note=note)
    if json:
        terminal.value(done)
        return
    terminal.say(f"Acknowledged what backup {done.id} saw:")
    for each in done.vanished:
        terminal.say(f"  {each}")
    terminal.say("Nothing is held from expiry for it any longer: copy or restore first what is still needed.")
