"""``pgbackstop backup``: make the backups of a plan now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.moments import utc_now
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import completion, options

if TYPE_CHECKING:
    from pgbackstop_catalog.records.backup import Backup
    from pgbackstop_catalog.records.pin import Pin
    from pgbackstop_runner.backup.attempt import BackupRequest
    from pgbackstop_runner.workspace import Workspace

PlanName = Annotated[
    str,
    typer.Argument(
        metavar="PLAN", help="The plan, as the configuration names it.", autocompletion=completion.plans
    ),
]
Trigger = Literal["manual", "schedule", "catch-up", "wal-gap"]


app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(
    epilog=options.examples(
        "backup shop-logical",
        "backup shop-logical --database orders",
        "backup shop-physical --json",
        "backup shop-logical --scheduled",
    )
)
def backup(  # noqa: PLR0913 - each option is one independent wish
    plan: PlanName,
    *,
    database: Annotated[
        list[str] | None, typer.Option("--database", "-d", help="Only this database of the plan; repeatable.")
    ] = None,
    trigger: Annotated[Trigger, typer.Option(help="Who asks; the daemon says so.", hidden=True)] = "manual",
    scheduled_for: Annotated[
        str | None, typer.Option(help="The due time that this run is for, ISO 8601 with a zone.", hidden=True)
    ] = None,
    scheduled: options.Scheduled = False,
    pin: Annotated[bool, typer.Option("--pin", help="Keep them, whatever retention says.")] = False,
    note: Annotated[str, typer.Option(help="With --pin: why, for those who come later.")] = "",
    until: Annotated[
        str | None, typer.Option(help="With --pin: when it ends, with a zone: 2027-01-31T00:00:00Z.")
    ] = None,
    operator: Annotated[str, typer.Option(help="Who asks; the console says so.", hidden=True)] = "",
    operation: Annotated[str, typer.Option(help="The console's, that this is.", hidden=True)] = "",
    json: options.Json = False,
    log: options.LogLines = False,
) -> None:
    """Make the backups of a plan now.

    With --scheduled only when a run of the plan is due and not on record; due times that nothing started
    are put on record as missed. Where nothing is due it ends silently with 0.

    Exit code 0 when every database succeeded. When none did, for one and the same cause, the code of that
    cause: 3, 5 or 6. Else 1.
    """
    if scheduled and database:
        raise errors.ConfigError("--scheduled means all databases of the plan.", remedy="Leave one out.")
    if (note or until) and not pin:
        raise errors.ConfigError("--note and --until are of a pin.", remedy="Add --pin.")
    opened = options.open_for_work()
    from pgbackstop_runner import failures  # noqa: PLC0415 - psycopg and what hangs on it
    from pgbackstop_runner.backup import attempt  # noqa: PLC0415
    from pgbackstop_runner.backup import run as backup_run  # noqa: PLC0415
    from pgbackstop_runner.expire import pin as pins  # noqa: PLC0415

    pinned = pins.made(note=note, until=options.moment(until), operator=operator) if pin else None
    if scheduled:
        request = _due(opened, plan, pinned)
    else:
        request = attempt.BackupRequest(
            trigger=trigger,
            scheduled_for=options.moment(scheduled_for),
            databases=tuple(database or ()),
            pinned=pinned,
            operation=operation,
        )
    if request is None:
        if json:
            terminal.values(())
        return
    made = backup_run.run(opened, plan, request)
    if json:
        terminal.values(made)
    else:
        _show(made)
    code = failures.exit_code(made)
    if code:
        raise typer.Exit(code)


def _due(opened: Workspace, plan: str, pinned: Pin | None) -> BackupRequest | None:
    """What the plan's schedule asks for now, if anything; what it asked for before is put on record."""
    from pgbackstop_runner.backup.attempt import BackupRequest  # noqa: PLC0415
    from pgbackstop_runner.daemon import outside  # noqa: PLC0415

    order = outside.due_backup(opened, plan, utc_now())
    if order is None:
        return None
    return BackupRequest(trigger=order.trigger, scheduled_for=order.due, pinned=pinned)


def _show(made: tuple[Backup, ...]) -> None:
    from pgbackstop_catalog.records.attempt import Status  # noqa: PLC0415 - pydantic

    for each in made:
        what = each.database or "whole server"
        if each.status is Status.SUCCEEDED:
            size = units.format_size(each.size_bytes or 0)
            took = units.format_duration(each.duration_seconds or 0)
            terminal.say(f"{each.id}  {each.plan}  {what}: {size} in {took}  {each.location}")
            for note in (each.fallback, *each.warnings):
                if note:
                    terminal.say(f"  note: {note}")
        else:
            terminal.complain(f"{each.id}  {each.plan}  {what}: {each.status}: {each.message}")
