"""``pgbackstop ack``: take note of rows that vanished or of a damaged backup, and let go what is held."""

from __future__ import annotations

from typing import Annotated

import typer

from pgbackstop_runner import terminal
from pgbackstop_runner.cli import completion, options

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(
    epilog=options.examples("ack 20261122T020000Z-5f3a9c04 --note 'old sessions were removed on purpose'")
)
def ack(
    backup: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="The backup that saw rows vanish or is damaged, or the beginning of its id.",
            autocompletion=completion.backups,
        ),
    ],
    *,
    note: Annotated[str, typer.Option(help="Why it is well, for those who come later.")] = "",
    json: options.Json = False,
) -> None:
    """Acknowledge that rows vanished, or that a stored backup is damaged: the alert ends.

    Retention may then take the backup that has the rows, or the bytes of the damaged one.

    Exit code 1 where there is nothing to acknowledge.
    """
    opened = options.open_for_work()
    from pgbackstop_runner.expire import acknowledge  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main

    done = acknowledge.acknowledge(opened, backup, note=note)
    if json:
        terminal.value(done)
        return
    if done.is_damaged:
        terminal.say(f"Acknowledged that backup {done.id} is damaged: {done.message}")
        terminal.say("Its bytes are removed when the plan next expires: take first what is still wanted.")
        return
    terminal.say(f"Acknowledged what backup {done.id} saw:")
    for each in done.vanished:
        terminal.say(f"  {each}")
    terminal.say("Nothing is held from expiry for it any longer: copy or restore first what is still needed.")
