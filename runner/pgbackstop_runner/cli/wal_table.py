"""The text of ``pgbackstop wal status``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from pgbackstop_catalog import units
from pgbackstop_catalog.decisions.wal_segments import WalState
from pgbackstop_catalog.model import utc_now
from pgbackstop_runner import terminal
from pgbackstop_runner.wal.status import Report

_COLUMNS = (
    terminal.Column(title="SERVER"),
    terminal.Column(title="STATE"),
    terminal.Column(title="RECOVERABLE FROM"),
    terminal.Column(title="UNTIL"),
    terminal.Column(title="LAG", right=True),
    terminal.Column(title="MISSING", right=True),
    terminal.Column(title="SLOT HOLDS", right=True),
    terminal.Column(title="SEGMENTS", right=True),
    terminal.Column(title="ARCHIVE", right=True),
)
STALE = 30.0  # seconds without a new state


def status(reports: Sequence[Report]) -> None:
    """A table, then a line for everything that needs attention."""
    terminal.table(_COLUMNS, (_row(report) for report in reports))
    remarks = [remark for report in reports for remark in _remarks(report)]
    if remarks:
        terminal.say()
    for remark in remarks:
        terminal.say(remark)


def state_of(report: Report) -> str:
    """One word: what the receiver says, unless it cannot be believed any more."""
    if not report.enabled:
        return "disabled"
    if report.state is None:
        return "never ran"
    if not report.receiver_running:
        return "stopped" if report.state.status == "stopped" else "dead"
    if (utc_now() - report.state.updated_at).total_seconds() > STALE:
        return "stale"
    return report.state.status


def _row(report: Report) -> tuple[str, ...]:
    missing = report.state.missing_segments if report.state else 0
    held = report.slot_retained_bytes
    return (
        report.server,
        state_of(report),
        _moment(report.earliest),
        _moment(report.latest),
        units.format_size(report.lag_bytes) if report.lag_bytes is not None else "-",
        str(missing),
        units.format_size(held) if held is not None else "-",
        str(report.segments),
        units.format_size(report.archive_bytes),
    )


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%SZ}" if moment else "-"


def _remarks(report: Report) -> Iterator[str]:
    name = report.server
    if report.archive_problem:
        yield f"{name}: {report.archive_problem}"
    if report.server_problem:
        yield f"{name}: the server does not answer: {report.server_problem}"
    if report.enabled:
        yield from _lacks(report)
    for window in report.windows:
        if window.ends == "gap":
            yield f"{name}: the window from {_moment(window.start)} ends at a gap: {window.reason}"
    if report.state is not None:
        yield from _state(name, report.state)


def _lacks(report: Report) -> Iterator[str]:
    name = report.server
    if not report.receiver_running:
        yield f"{name}: no receiver runs; 'pgbackstop daemon' starts one, or 'pgbackstop worker' in a fleet"
    if report.slot_exists is False:
        yield f"{name}: the server has no replication slot for us; the receiver makes it"
    if not report.windows and not report.archive_problem:
        yield f"{name}: nothing can be recovered to a point in time yet; a physical backup begins the window"


def _state(name: str, state: WalState) -> Iterator[str]:
    if state.message:
        yield f"{name}: {state.message}"
    for gap in state.gaps:
        done = f"made harmless by {gap.acknowledged_by}" if gap.acknowledged_by else "a base backup is wanted"
        yield f"{name}: {gap.first} to {gap.last} missing since {_moment(gap.found_at)}: {gap.reason}; {done}"
    for conflict in state.conflicts:
        yield f"{name}: {conflict.name} arrived again with other content, kept as {conflict.kept_as}"
