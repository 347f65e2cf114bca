"""``pgbackstop catalog``: rebuild."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pgbackstop_runner import terminal
from pgbackstop_runner.cli import options

if TYPE_CHECKING:
    from pgbackstop_runner.copy.rebuild_catalog import RebuildResult

app = typer.Typer(
    no_args_is_help=True, help="Repair the catalog.", rich_markup_mode=None, add_completion=False
)


@app.callback()
def _group() -> None:
    """Repair the catalog."""


@app.command()
def rebuild(
    storage: Annotated[
        str | None, typer.Option(help="Only from this storage; from all of them when left out.")
    ] = None,
    *,
    json: options.Json = False,
) -> None:
    """Restore lost records from the backup.json beside each backup; nothing that is there is changed.

    What is no backup, or not what its record says, is named and left alone; the exit code is then 1.
    """
    opened = options.open_for_work()
    from pgbackstop_runner.copy import rebuild_catalog  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main

    names = [storage] if storage else rebuild_catalog.storages(opened)
    outcomes = [rebuild_catalog.run(opened, name) for name in names]
    if json:
        terminal.document([_document(each) for each in outcomes])
    else:
        for each in outcomes:
            terminal.say(f"{each.storage}: {len(each.restored)} records restored, {each.known} were there.")
    problems = [problem for each in outcomes for problem in each.garbage]
    for problem in problems:
        terminal.complain(f"not a backup as it should be: {problem}")
    if problems:
        raise typer.Exit(1)


def _document(outcome: RebuildResult) -> dict[str, object]:
    return {
        "storage": outcome.storage,
        "restored": [each.id if each.kind == "backup" else each.backup for each in outcome.restored],
        "known": outcome.known,
        "garbage": list(outcome.garbage),
    }
