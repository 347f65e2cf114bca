"""``pgbackstop copy``: make the copies that further storages lack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pgbackstop_catalog import units
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import completion, options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgbackstop_catalog.records.copy import Copy
    from pgbackstop_runner.workspace import Workspace

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_COLUMNS = (
    terminal.Column(title="BACKUP"),
    terminal.Column(title="PLAN"),
    terminal.Column(title="STORAGE"),
    terminal.Column(title="SIZE", right=True),
    terminal.Column(title="TOOK", right=True),
    terminal.Column(title="STATUS"),
    terminal.Column(title="REASON"),
)


@app.command(epilog=options.examples("copy", "copy shop-logical --json"))
def copy(
    plan: Annotated[
        str | None,
        typer.Argument(help="Only this plan; all of them when left out.", autocompletion=completion.plans),
    ] = None,
    *,
    json: options.Json = False,
    log: options.LogLines = False,
) -> None:
    """Copy backups to the further storages of their plans, the newest first, and the WAL that follows them.

    Exit code 1 if something could not be copied.
    """
    opened = options.open_for_work()
    from pgbackstop_catalog.records.attempt import Status  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main
    from pgbackstop_runner.copy import run  # noqa: PLC0415

    plans = [plan] if plan else sorted(opened.config.plans)
    made = [each for name in plans for each in run.run(opened, name)]
    if json:
        terminal.values(made)
    elif made:
        terminal.table(_COLUMNS, (_row(each) for each in made))
    else:
        terminal.say("No copy is missing.")
    down = [problem for server in _servers(opened, plans) for problem in _copy_wal(opened, server)]
    for problem in down:
        terminal.complain(problem)
    if down or any(each.status is not Status.SUCCEEDED for each in made):
        raise typer.Exit(1)


def _servers(opened: Workspace, plans: Sequence[str]) -> list[str]:
    """The servers of the physical plans."""
    chosen = (opened.config.plans[name] for name in plans)
    return sorted({plan.server for plan in chosen if not plan.is_logical})


def _copy_wal(opened: Workspace, server: str) -> list[str]:
    """Send the WAL that the storages lack, unless a daemon does; returns what went wrong."""
    from pgbackstop_catalog import errors  # noqa: PLC0415
    from pgbackstop_catalog.decisions import wal_copies  # noqa: PLC0415
    from pgbackstop_runner.wal import copy_loop  # noqa: PLC0415

    storages = wal_copies.storages(opened.config, server)
    try:
        states = copy_loop.once(opened, server, storages) if storages else ()
    except errors.Busy:
        return []
    return [each.message for each in states if each.status == "down"]


def _row(each: Copy) -> tuple[str, ...]:
    return (
        each.backup,
        each.plan,
        each.storage,
        units.format_size(each.size_bytes) if each.size_bytes is not None else "",
        units.format_duration(each.duration_seconds or 0.0),
        each.status.value,
        each.message,
    )
