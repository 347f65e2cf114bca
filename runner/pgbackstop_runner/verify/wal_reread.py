"""WAL archives, and their copies in further storages, read again with what backups leave of a day's bytes.

A damaged segment is put on record. Whoever keeps the archive takes it for a gap from then on, which ends the
recovery window before it, is told, and makes the daemon take a base backup. In a further storage the copier
sends it again, where the archive still has it.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import wal_copies, wal_readings
from pgbackstop_catalog.decisions.wal_readings import WalReadings
from pgbackstop_catalog.decisions.wal_segments import Entry
from pgbackstop_catalog.model import utc_now
from pgbackstop_runner.storage import identity
from pgbackstop_runner.storage.protocol import Damaged, StoreError
from pgbackstop_runner.system import log, signals, streams
from pgbackstop_runner.verify import wal_archive
from pgbackstop_runner.wal import archive_reader, readings, storage_archive
from pgbackstop_runner.wal.archive_reader import Archive
from pgbackstop_runner.wal.storage_archive import StorageArchive
from pgbackstop_runner.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class WalRead:
    """What was read of one archive, or of its copy in ``storage``, and the problem of each segment that was
    found damaged."""

    server: str
    storage: str | None
    segments: int
    read_bytes: int
    damaged: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class _Place:
    """A server's archive, or its copy in a further storage; ``path`` is what is known of readings.

    Of a copy that nothing here opens, ``is_sealed``, the encrypted bytes are compared with what was sent.
    """

    server: str
    storage: str | None
    path: Path
    interval: float
    is_sealed: bool = False

    def known(self) -> WalReadings:
        fresh = WalReadings(server=self.server, storage=self.storage, updated_at=utc_now())
        return readings.read(self.path) or fresh


def spent(workspace: Workspace, since: datetime) -> int:
    """Bytes of all archives and copies that were read from then on."""
    return sum(each.known().spent(since) for each in _places(workspace))


def read(workspace: Workspace, bytes_left: int) -> Iterator[WalRead]:
    """Read what is due: of archives, then of copies. What cannot be read is logged.

    Raises Interrupted, OSError.
    """
    for place in _places(workspace):
        if bytes_left <= 0:
            return
        try:
            archive = _open(workspace, place)
        except errors.PgbackstopError as error:
            log.logger().warning(
                "WAL is not read again", server=place.server, storage=place.storage, message=str(error)
            )
            continue
        done = _read(workspace, place, archive, bytes_left)
        bytes_left -= done.read_bytes
        if done.segments:
            yield done


def _places(workspace: Workspace) -> Iterator[_Place]:
    """The archives first. Copies that cost money to read are left out."""
    config, state = workspace.config, workspace.state
    servers = [name for name, settings in config.servers.items() if settings.wal.enabled]
    for server in servers:
        path = state.wal_readings(server)
        yield _Place(server=server, storage=None, path=path, interval=config.verify.interval)
    for server in servers:
        for name in wal_copies.storages(config, server):
            if wal_copies.is_read_again(config, name):
                encryption = config.storages[name].encryption
                yield _Place(
                    server=server,
                    storage=name,
                    path=state.wal_copy_readings(name, server),
                    interval=config.verify.effective_copies_interval(),
                    is_sealed=encryption is not None and encryption.is_sealed,
                )


def _open(workspace: Workspace, place: _Place) -> Archive | StorageArchive:
    """Raises StoreError, CatalogError, NotFound."""
    if place.storage is None:
        return archive_reader.read(workspace, place.server)
    store = identity.require(workspace, place.storage)
    mirror = workspace.state.wal_copy_index(place.storage, f".verify-{place.server}")
    return storage_archive.fetch(store, place.server, mirror, records_only=True)


def _read(workspace: Workspace, place: _Place, archive: Archive | StorageArchive, bytes_left: int) -> WalRead:
    entries: Mapping[str, Entry] = archive.entries
    if place.is_sealed:  # those of older versions have no digest of what is encrypted
        entries = {name: each for name, each in entries.items() if each.stored_sha256}
    due = wal_readings.due(entries, place.known(), interval=place.interval, now=utc_now())
    done: list[Entry] = []
    found: dict[str, str] = {}
    try:
        for entry in _affordable(due, bytes_left):
            problem = _damage(archive, entry, is_sealed=place.is_sealed)
            done.append(entry)
            if problem:
                found[entry.name] = problem
    finally:
        found = _confirmed(workspace, place, archive, found)
        with signals.deferred(), workspace.state.turn(readings.TURN):
            now_known = wal_readings.after(place.known(), entries, done, found, utc_now())
            readings.write(place.path, now_known)
    return WalRead(
        server=place.server,
        storage=place.storage,
        segments=len(done),
        read_bytes=sum(each.size_bytes for each in done),
        damaged=found,
    )


def _confirmed(
    workspace: Workspace, place: _Place, archive: Archive | StorageArchive, found: dict[str, str]
) -> dict[str, str]:
    """Without what has expired or was sent since a further storage was listed; each is told."""
    if found and isinstance(archive, StorageArchive):
        with contextlib.suppress(errors.PgbackstopError):
            now = _open(workspace, place)
            assert isinstance(now, StorageArchive)  # noqa: S101 - as what was opened before
            found = {name: problem for name, problem in found.items() if _is_as_it_was(name, archive, now)}
    for name, problem in found.items():
        log.logger().error(
            "WAL is damaged", server=place.server, storage=place.storage, segment=name, problem=problem
        )
    return found


def _is_as_it_was(name: str, before: StorageArchive, now: StorageArchive) -> bool:
    entry = before.entries[name]
    return now.entries.get(name) == entry and now.is_there(entry) == before.is_there(entry)


def _affordable(due: Iterator[Entry], bytes_left: int) -> Iterator[Entry]:
    for entry in due:
        bytes_left -= entry.size_bytes
        if bytes_left < 0:
            return
        yield entry


def _damage(archive: Archive | StorageArchive, entry: Entry, *, is_sealed: bool) -> str:
    """What cannot be read has had its turn, and is not condemned."""
    try:
        if isinstance(archive, Archive):
            return wal_archive.damage(archive, entry)
        return _of_copy(archive, entry, is_sealed=is_sealed)
    except FileNotFoundError:
        return ""  # it has expired meanwhile, or is lost, which the gaps tell
    except OSError as error:
        log.logger().warning("WAL cannot be read", segment=entry.name, message=error.strerror)
    except StoreError as error:
        log.logger().warning("WAL cannot be read", segment=entry.name, message=str(error))
    return ""


def _of_copy(remote: StorageArchive, entry: Entry, *, is_sealed: bool) -> str:
    """Why a segment is not what was sent; empty where it is. Raises StoreError."""
    if not remote.is_there(entry):
        return f"segment {entry.name} is missing, or not whole"
    digest = hashlib.sha256()
    opened = remote.store.open_stored if is_sealed else remote.store.open
    try:
        with opened(remote.path(entry.path), entry.there_bytes) as stream:
            while chunk := stream.read(streams.CHUNK):
                digest.update(chunk)
    except Damaged as error:
        return f"segment {entry.name}: {error.problem}"
    wanted = entry.stored_sha256 if is_sealed else entry.sha256
    return "" if digest.hexdigest() == wanted else f"segment {entry.name} is not what was archived"
