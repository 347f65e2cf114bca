"""What a restore would do, and what it did, as a person reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pgbackstop_catalog import units
from pgbackstop_catalog.moments import utc_now
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import options

if TYPE_CHECKING:
    from pgbackstop_catalog.records.proof import MissingEntry
    from pgbackstop_catalog.records.restore import Restore
    from pgbackstop_runner.restore.plan import RestorePlan


def show_outline(drawn: RestorePlan) -> None:
    """The plan, before anything is done."""
    from pgbackstop_runner.restore import plan_text  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main

    columns = (terminal.Column(title="RESTORE"), terminal.Column(title=""))
    terminal.table(columns, plan_text.lines(drawn, utc_now()))
    terminal.say()


def show(done: Restore) -> None:
    """What was checked, what came of it, and the ways back."""
    columns = (terminal.Column(title=""), terminal.Column(title="CHECK"), terminal.Column(title="FOUND"))
    terminal.table(columns, [("ok" if one.ok else "NO", one.name, one.detail) for one in done.checks])
    terminal.say()
    took = units.format_duration(done.duration_seconds or 0)
    away = (
        f", {units.format_duration(done.downtime_seconds)} of it without service"
        if done.downtime_seconds
        else ""
    )
    count = len(done.missing_entries)
    missing = f" with {count} {'entry' if count == 1 else 'entries'} missing" if count else ""
    terminal.say(f"{done.id}  {done.target} is restored{missing} from {done.backup} in {took}{away}.")
    if count:
        show_missing(done.missing_entries)
    if done.is_undoable:
        terminal.say(f"  The old one is kept as {done.replaced_database}, closed to connections.")
        terminal.say(f"  Go back:  {options.called()} restore --undo {done.id}")
        terminal.say(f"  Drop it:  {options.called()} restore --drop-old {done.id}")
    for warning in done.warnings:
        terminal.say(f"  note: {warning}")


def show_missing(entries: Sequence[MissingEntry]) -> None:
    """Each entry of the dump that was not restored, with what PostgreSQL said and its statement."""
    terminal.say(f"NOT restored, of the dump: {len(entries)}")
    for each in entries:
        terminal.say(f"  {each.entry}: {each.error}")
        if each.statement:
            terminal.say(f"    {each.statement}")
