"""What ``pgbackstop wal status`` shows: the state, the archive, the server; each may be missing."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import Any

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.decisions import windows as decisions_windows
from pgbackstop_catalog.decisions.wal_segments import WalState
from pgbackstop_catalog.model import Model, UtcTime
from pgbackstop_catalog.records.attempt import Name
from pgbackstop_catalog.store import wal_index
from pgbackstop_runner.storage import identity
from pgbackstop_runner.wal import archive as archives
from pgbackstop_runner.wal import gaps, sampler
from pgbackstop_runner.wal import state as wal_state
from pgbackstop_runner.workspace import Workspace

TIMEOUT = 3.0  # seconds for the server to answer


class WindowReport(Model):
    """A recovery window, as JSON has it."""

    start: UtcTime
    end: UtcTime
    ends: str
    reason: str
    backup: str
    timeline: int


class Report(Model):
    """Everything about one server's WAL.

    What the server itself says is absent where it does not answer, and what the archive holds where its
    storage is not there.
    """

    server: Name
    enabled: bool
    method: str
    archive: str
    archive_problem: str = ""
    receiver_running: bool = False
    state: WalState | None = None
    segments: int = 0
    archive_bytes: int = 0
    windows: tuple[WindowReport, ...] = ()
    server_problem: str = ""
    server_lsn: str | None = None
    lag_bytes: int | None = None
    slot_exists: bool | None = None
    slot_active: bool | None = None
    slot_status: str | None = None
    slot_retained_bytes: int | None = None

    @property
    def earliest(self) -> datetime | None:
        """The earliest moment that can be recovered to."""
        return min((each.start for each in self.windows), default=None)

    @property
    def latest(self) -> datetime | None:
        """The latest moment that can be recovered to."""
        return max((each.end for each in self.windows), default=None)


def report(workspace: Workspace, name: str) -> Report:
    """The report of one server. Raises CatalogError where the catalog or the archive cannot be read."""
    server, archive = workspace.server(name), workspace.wal_archive(name)
    state = wal_state.read(workspace.state.wal(name))
    problem = identity.problem(workspace, workspace.wal_storage(name)) if server.wal.enabled else ""
    held = {} if problem else _held(workspace, name, state)
    return Report(
        **{
            "server": name,
            "enabled": server.wal.enabled,
            "method": server.wal.method,
            "archive": str(archive),
            "archive_problem": problem,
            "receiver_running": wal_state.is_received(workspace, name, state),
            "state": state,
            **held,
            **_ask(server, state),
        }
    )


def _held(workspace: Workspace, name: str, state: WalState | None) -> dict[str, Any]:
    """What the archive holds. Raises CatalogError."""
    archive = workspace.wal_archive(name)
    try:
        index = wal_index.Index(archive)
        entries = index.refresh().values()
        switches = archives.switches(archive, entries)
    except OSError as error:
        raise errors.CatalogError(
            f"The WAL archive cannot be read: {archive}: {error.strerror}.",
            remedy="Check the folder's owner, mode and mount.",
        ) from error
    if state is not None and not state.gaps:
        state = state.evolve(gaps=gaps.read(archive))
    backups = workspace.catalog.physical_backups(name)
    found = decisions_windows.windows(backups, entries, state, switches)
    return {
        "state": state,
        "segments": sum(entry.is_segment for entry in entries),
        "archive_bytes": index.total_bytes,
        "windows": tuple(WindowReport(**vars(each)) for each in found),
    }


def _ask(server: Server, state: WalState | None) -> dict[str, Any]:
    from pgbackstop_runner.postgres import sessions  # noqa: PLC0415 - a module of that name is an argument

    quick = server.evolve(connect_timeout=min(server.connect_timeout, TIMEOUT))
    try:
        with sessions.connect(quick, statement_timeout=TIMEOUT) as connection:
            sample = sampler.query(connection, server.wal.slot)
    except (errors.PgbackstopError, psycopg.Error) as error:
        return {"server_problem": str(error)}
    answer: dict[str, Any] = {}
    if sample.flushed is not None:
        answer["server_lsn"] = wal_segments.format_lsn(sample.flushed)
        received = sample.written or _received(state)
        if received is not None:
            answer["lag_bytes"] = max(0, sample.flushed - received)
    if server.wal.method == "stream":
        answer |= {
            "slot_exists": sample.slot_exists,
            "slot_active": sample.sender_pid is not None,
            "slot_status": sample.slot_status,
        }
        if sample.slot_restart is not None and sample.flushed is not None:
            answer["slot_retained_bytes"] = max(0, sample.flushed - sample.slot_restart)
    return answer


def _received(state: WalState | None) -> int | None:
    with contextlib.suppress(ValueError):
        return wal_segments.parse_lsn(state.received_lsn) if state and state.received_lsn else None
    return None
