"""Copies of backups in further storages, made from the durable local files and retried alone.

A copy has the layout of its original, ``backup.json`` last as the commit mark. Whatever becomes of a
copy, its backup stays as it is; what is missing is made the next time.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from pgbackstop_catalog import errors, regular_file
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.file_list import DamagedFiles
from pgbackstop_catalog.store import layout
from pgbackstop_runner.copy import encrypted_copy, storage_retention
from pgbackstop_runner.storage import identity, open, original, retries, stored_backup
from pgbackstop_runner.storage.protocol import Sent, StoreError
from pgbackstop_runner.storage.stored_backup import StoredBackup
from pgbackstop_runner.system import log, meter, pauses
from pgbackstop_runner.workspace import Workspace

# To try again changes nothing.
_FINAL = (*retries.FINAL, DamagedFiles, identity.NotThere, stored_backup.Lost)
Sleep = Callable[[float], None]


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A backup that a storage lacks; ``record`` is what became of earlier attempts."""

    backup: Backup
    storage: str
    record: Copy | None


def make_missing(workspace: Workspace, plan_name: str) -> None:
    """Make the copies that a plan lacks; whatever goes wrong is on record and logged, not raised."""
    try:
        run(workspace, plan_name)
    except (errors.PgbackstopError, OSError) as error:
        log.logger().error("copies failed", plan=plan_name, message=str(error))


def run(workspace: Workspace, plan_name: str, *, sleep: Sleep = time.sleep) -> tuple[Copy, ...]:
    """The same; returns the records of what was tried. Raises NotFound, Busy, CatalogError, Interrupted."""
    workspace.plan(plan_name)
    with workspace.state.held(lock_name(plan_name), f"Copying of plan {plan_name}"):
        _close_dead(workspace, plan_name)
        return tuple(_make(workspace, each, sleep) for each in missing(workspace, plan_name))


def missing(workspace: Workspace, plan_name: str) -> tuple[Missing, ...]:
    """What the plan's storages lack of its available backups, the newest backup first.

    A storage with a ``keep`` of its own lacks nothing that it would not keep.
    """
    known = {(each.backup, each.storage): each for each in workspace.catalog.copies(plan_name)}
    belongs = storage_retention.belonging(workspace, plan_name, utc_now())
    return tuple(
        Missing(backup=backup, storage=storage, record=known.get((backup.id, storage)))
        for backup in workspace.catalog.backups(plan_name)
        if backup.is_available
        for storage in workspace.plan(plan_name).copies
        if storage != backup.storage
        and (storage not in belongs or backup.id in belongs[storage])
        and not _is_there(workspace, known.get((backup.id, storage)))
    )


def close_dead(workspace: Workspace, plan_name: str) -> None:
    """Close the running records of copies that nobody makes any more. Raises CatalogError."""
    if all(each.status is not Status.RUNNING for each in workspace.catalog.copies(plan_name)):
        return
    with contextlib.suppress(errors.Busy), workspace.state.held(lock_name(plan_name), plan_name):
        _close_dead(workspace, plan_name)


def _close_dead(workspace: Workspace, plan_name: str) -> None:
    """With the lock in hand: what has its commit mark, which comes last, counts."""
    running = [
        each
        for each in workspace.catalog.copies(plan_name)
        if each.status is Status.RUNNING and _is_ours(workspace, each)
    ]
    away = identity.absent(workspace, (each.storage for each in running))
    for copy in running:
        if copy.storage in away:
            continue  # until the storage is back, nobody can tell
        size = _stored_bytes(workspace, copy)
        # Of a damaged one that is made anew, the commit mark may still be the old one.
        is_whole = size is not None and copy.damaged_at is None
        status = Status.SUCCEEDED if is_whole else Status.INTERRUPTED
        message = "" if is_whole else "The process that made it ended without a word."
        workspace.catalog.put(
            copy.evolve(status=status, size_bytes=size, finished_at=utc_now(), message=message)
        )
        log.logger().warning(f"closed as {status}", plan=plan_name, copy=copy.backup, storage=copy.storage)


def _is_ours(workspace: Workspace, copy: Copy) -> bool:
    """Whether this host makes it: copies are made where their backup is."""
    try:
        return workspace.knows_fate_of(workspace.catalog.backup(copy.backup))
    except errors.NotFound:
        return True


def _stored_bytes(workspace: Workspace, copy: Copy) -> int | None:
    """The size of a copy that is complete; None for another, or where nobody can tell."""
    try:
        location = workspace.catalog.backup(copy.backup).location
        storage = workspace.config.storages[copy.storage]
        files = dict(open.open_store(copy.storage, storage).files(location)) if location else {}
    except (errors.PgbackstopError, KeyError, OSError):
        return None
    is_complete = str(PurePosixPath(location or "", layout.RECORD_NAME)) in files
    return sum(files.values()) if is_complete else None


def lock_name(plan_name: str) -> str:
    """The lock of a plan's copies: one process at a time makes them."""
    return f"copy-{plan_name}"


def _is_there(workspace: Workspace, record: Copy | None) -> bool:
    """Whether it was made, and not in a storage that was replaced since."""
    if record is None or record.status is not Status.SUCCEEDED or record.expired_at is not None:
        return False
    return not identity.lost(workspace, record.storage, record.started_at)


def _make(workspace: Workspace, wanted: Missing, sleep: Sleep) -> Copy:
    """One copy, with as many attempts as there are pauses and one more."""
    record = _begin(wanted)
    workspace.catalog.put(record)
    started = time.monotonic()
    message = ""
    sent: dict[str, Sent] = {}
    for pause in (*retries.PAUSES, None):
        try:
            size = _upload(workspace, wanted, sent)
        except errors.Interrupted as error:
            _finish(workspace, record, started, status=Status.INTERRUPTED, message=str(error))
            raise
        except (errors.PgbackstopError, OSError) as error:
            message = str(error)
            record = record.evolve(failures=record.failures + 1)
            if isinstance(error, _FINAL):
                break
        else:
            is_encrypted = workspace.config.storages[wanted.storage].encryption is not None
            mended = record.evolve(damaged_at=None, has_stored_digests=is_encrypted)
            return _finish(workspace, mended, started, status=Status.SUCCEEDED, size_bytes=size)
        if pause is not None:
            sleep(pauses.left_to_chance(pause))
            record = record.evolve(attempts=record.attempts + 1)
    return _finish(workspace, record, started, status=Status.FAILED, message=message)


def _begin(wanted: Missing) -> Copy:
    record, before = Copy.of(wanted.backup, wanted.storage, started_at=utc_now()), wanted.record
    if before is None:
        return record
    # A damaged one stays so until it was made anew.
    return record.evolve(attempts=before.attempts + 1, failures=before.failures, damaged_at=before.damaged_at)


def _finish(workspace: Workspace, record: Copy, started: float, **changes: object) -> Copy:
    seconds = round(time.monotonic() - started, 3)
    done = record.evolve(finished_at=utc_now(), duration_seconds=seconds, **changes)
    workspace.catalog.put(done)
    level = log.logger().info if done.status is Status.SUCCEEDED else log.logger().error
    level(
        f"copy {done.status}",
        plan=done.plan,
        backup=done.backup,
        storage=done.storage,
        duration_seconds=seconds,
        bytes=done.size_bytes,
        attempts=done.attempts,
        message=done.message or None,
    )
    return done


def _upload(workspace: Workspace, wanted: Missing, sent: dict[str, Sent]) -> int:
    """Send every file, the commit mark last; how many bytes. Raises PgbackstopError, OSError.

    What was ``sent`` by an earlier attempt, and compared, is not sent again.
    """
    backup = wanted.backup
    stored = stored_backup.find(workspace, backup)
    store = identity.require(workspace, wanted.storage)
    with workspace.state.lease(backup.id):
        if not workspace.catalog.backup(backup.id).is_available:
            raise StoreError(f"Backup {backup.id} has expired before its copy was made.")
        there = PurePosixPath(backup.location or "")
        files = [each for each in stored.files() if each.path not in sent]
        with meter.measured(f"copy to {wanted.storage}", lambda: sum(each.size_bytes for each in files)):
            for file in files:
                with original.opened(stored.path(file.path), file) as stream:
                    sent[file.path] = store.put(stream, str(there / file.path), file.size_bytes)
        beside = dict(_beside(stored, store.encrypted_for, sent))
        for name, content in beside.items():
            store.put_bytes(content, str(there / name))
    return sum(each.size_bytes for each in sent.values()) + sum(map(len, beside.values()))


def _beside(
    stored: StoredBackup, encrypted_for: tuple[str, ...] | None, sent: dict[str, Sent]
) -> Iterator[tuple[str, bytes]]:
    """The two files for people, which no record lists, and the commit mark last."""
    for name in (layout.CHECKSUMS_NAME, layout.RESTORE_NAME, layout.RECORD_NAME):
        if name == layout.RECORD_NAME or stored.path(name).exists():
            content = regular_file.read(stored.path(name), codec.MOST_BYTES)
            if encrypted_for is not None and name == layout.RESTORE_NAME:
                content = encrypted_copy.restore_text(content, encrypted_for)
            if encrypted_for is not None and name == layout.RECORD_NAME:
                content = encrypted_copy.record(content, encrypted_for, sent)
            yield name, content
