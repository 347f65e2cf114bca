"""``pgbackstop copy``: make the copies that further storages lack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pgbackstop_catalog import units
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import options

if TYPE_CHECKING:
    from pgbackstop_catalog.records.backup import Copy

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


@app.command()
def copy(
    plan: Annotated[str | None, typer.Argument(help="Only this plan; all of them when left out.")] = None,
    *,
    json: options.Json = False,
) -> None:
    """Copy backups to the further storages of their plans, the newest first. Exit code 1 if one failed."""
    opened = options.open_for_work()
    from pgbackstop_catalog.records.backup import Status  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main
    from pgbackstop_runner.copy import run  # noqa: PLC0415

    plans = [plan] if plan else sorted(opened.config.plans)
    made = [each for name in plans for each in run.run(opened, name)]
    if json:
        terminal.values(made)
    elif made:
        terminal.table(_COLUMNS, (_row(each) for each in made))
    else:
        terminal.say("No copy is missing.")
    if any(each.status is not Status.SUCCEEDED for each in made):
        raise typer.Exit(1)


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
