"""The WAL archives read again with what backups leave of a day's bytes.

A damaged segment is put on record; whoever keeps the archive takes it for a gap from then on, which ends the
recovery window before it, is told, and makes the daemon take a base backup.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import wal_readings
from pgbackstop_catalog.decisions.wal_readings import WalReadings
from pgbackstop_catalog.decisions.wal_segments import Entry
from pgbackstop_catalog.model import utc_now
from pgbackstop_runner.system import log, signals
from pgbackstop_runner.verify import wal_archive
from pgbackstop_runner.wal import archive_reader, readings
from pgbackstop_runner.wal.archive_reader import Archive
from pgbackstop_runner.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class WalRead:
    """What was read of one archive, and the problem of each segment that was found damaged."""

    server: str
    segments: int
    read_bytes: int
    damaged: dict[str, str]


def spent(workspace: Workspace, since: datetime) -> int:
    """Bytes of all archives that were read from then on."""
    return sum(_known(workspace, server).spent(since) for server in workspace.config.servers)


def read(workspace: Workspace, bytes_left: int) -> Iterator[WalRead]:
    """Read what is due, archive by archive. What cannot be read is logged. Raises Interrupted, OSError."""
    for server, settings in workspace.config.servers.items():
        if not settings.wal.enabled or bytes_left <= 0:
            continue
        try:
            archive = archive_reader.read(workspace, server)
        except errors.PgbackstopError as error:
            log.logger().warning("WAL is not read again", server=server, message=str(error))
            continue
        done = _read(workspace, server, archive, bytes_left)
        bytes_left -= done.read_bytes
        if done.segments:
            yield done


def _read(workspace: Workspace, server: str, archive: Archive, bytes_left: int) -> WalRead:
    known, interval = _known(workspace, server), workspace.config.verify.interval
    due = wal_readings.due(archive.entries, known, interval=interval, now=utc_now())
    done: list[Entry] = []
    found: dict[str, str] = {}
    try:
        for entry in _affordable(due, bytes_left):
            problem = _damage(archive, entry)
            done.append(entry)
            if problem:
                found[entry.name] = problem
                log.logger().error("WAL is damaged", server=server, segment=entry.name, problem=problem)
    finally:
        with signals.deferred():
            now_known = wal_readings.after(known, archive.entries, done, found, utc_now())
            readings.write(workspace.state.wal_readings(server), now_known)
    size = sum(each.size_bytes for each in done)
    return WalRead(server=server, segments=len(done), read_bytes=size, damaged=found)


def _known(workspace: Workspace, server: str) -> WalReadings:
    known = readings.read(workspace.state.wal_readings(server))
    return known or WalReadings(server=server, updated_at=utc_now())


def _affordable(due: Iterator[Entry], bytes_left: int) -> Iterator[Entry]:
    for entry in due:
        bytes_left -= entry.size_bytes
        if bytes_left < 0:
            return
        yield entry


def _damage(archive: Archive, entry: Entry) -> str:
    """What cannot be read has had its turn, and is not condemned."""
    try:
        return wal_archive.damage(archive, entry)
    except FileNotFoundError:
        return ""  # it has expired meanwhile, or is lost, which the gaps tell
    except OSError as error:
        log.logger().warning("WAL cannot be read", segment=entry.name, message=error.strerror)
        return ""
