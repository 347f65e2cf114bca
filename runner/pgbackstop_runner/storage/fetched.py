"""A copy read whole: compared with the record on its way, and kept in a folder for tools that need files.

pg_restore reads a dump several times, and with several jobs it seeks. A dump is fetched once, so that what
was compared is what is restored. Whoever only wants to know whether a copy is good keeps nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from pgbackstop_catalog import units
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.storage import backup_files
from pgbackstop_runner.storage.backup_files import CopiedFiles
from pgbackstop_runner.storage.protocol import Damaged, StoreError
from pgbackstop_runner.system import files, meter, streams
from pgbackstop_runner.system.streams import Sink
from pgbackstop_runner.workspace import Workspace

_PREFIX = "pgbackstop-fetched-"
_UNLOCKED = "pgbackstop-unlocked-"  # which no sweep takes for one of a process that is gone
_AT_ONCE = 2


def read(copy: CopiedFiles, on_bytes: Callable[[int], None] = lambda _count: None) -> str:
    """Compare every byte with the record, and keep none; returns what was done.

    ``on_bytes`` hears of each file's. Raises Damaged, StoreError.
    """
    wanted = copy.files()
    _all(copy, wanted, lambda _stored: contextlib.nullcontext(_Nowhere()), on_bytes)
    return f"sha256 of {len(wanted)} {copy.what} in {copy.storage}"


@contextlib.contextmanager
def folder(
    workspace: Workspace, backup: Backup, storage: str, *, within: Path | None = None
) -> Iterator[tuple[Path, tuple[StoredFile, ...]]]:
    """The copy in a private folder that is gone afterwards, and the backup's files in it.

    It is made ``within`` a folder whose owner clears it after a crash, else in drill_folder or /var/tmp.
    Raises Damaged, StoreError, CatalogError, AttemptFailed (space, storage).
    """
    with workspace.state.lease(backup.id):
        copy = backup_files.copied(workspace, backup, storage)
        copy.require_whole()
        with _made(within or _parent(workspace)) as made:
            wanted = copy.files()
            _require_room(made, backup, sum(each.size_bytes for each in wanted))
            with files.storage_errors(made):
                _all(copy, wanted, lambda stored: _file(made / stored.path))
            yield made, wanted


def sweep(workspace: Workspace) -> None:
    """Remove the folders of processes that are gone, of whatever catalog."""
    for path in _parent(workspace).glob(f"{_PREFIX}*"):
        _remove_abandoned(path)


def _all(
    copy: CopiedFiles,
    wanted: Sequence[StoredFile],
    into: Callable[[StoredFile], contextlib.AbstractContextManager[Sink]],
    on_bytes: Callable[[int], None] = lambda _count: None,
) -> None:
    given_up = threading.Event()

    def one(stored: StoredFile) -> int:
        with into(stored) as sink:
            return _one(copy, stored, sink, given_up)

    total, where = lambda: sum(each.size_bytes for each in wanted), f"read from {copy.storage}"
    with meter.measured(where, total), ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        try:
            for count in pool.map(one, wanted):
                on_bytes(count)
        except BaseException:
            given_up.set()  # the pool waits for what it has begun
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _one(copy: CopiedFiles, stored: StoredFile, sink: Sink, given_up: threading.Event) -> int:
    """How many bytes it has; listed beside an encrypted copy, ``stored`` has those that are encrypted."""
    digest, left, where = hashlib.sha256(), stored.size_bytes, copy.where(stored.path)
    with copy.open(stored.path) as stream:
        while left >= 0 and not given_up.is_set() and (chunk := read_chunk(stream, where)):
            digest.update(chunk)
            meter.count(len(chunk))
            left -= len(chunk)
            if left >= 0:  # what was tampered with fills no disk
                sink.write(chunk)
    if not given_up.is_set() and digest.hexdigest() != stored.sha256:
        raise Damaged(
            f"{where} is damaged: its content is not what is on record.",
            remedy="Use another backup, or another copy of this one.",
        )
    return stored.size_bytes - left


def read_chunk(stream: BinaryIO, where: str) -> bytes:
    """Raises StoreError: the disk of the copy is to be told from the one that it is written to."""
    try:
        return stream.read(streams.CHUNK)
    except OSError as error:
        raise StoreError(
            f"{where} cannot be read: {error.strerror or error}.",
            remedy="Check the storage's disk and its mount.",
        ) from error


class _Nowhere:
    def write(self, _data: bytes | memoryview, /) -> None:
        """Nothing is kept."""


def _file(path: Path) -> contextlib.AbstractContextManager[Sink]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.fdopen(atomic.create(path), "wb")


@contextlib.contextmanager
def _made(parent: Path) -> Iterator[Path]:
    """A new folder, locked for as long as its process lives."""
    with contextlib.ExitStack() as stack:
        with files.storage_errors(parent):
            unlocked = Path(tempfile.mkdtemp(prefix=_UNLOCKED, dir=parent))
            stack.callback(files.remove_tree, unlocked)
            descriptor = os.open(unlocked, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            made = unlocked.rename(parent / unlocked.name.replace(_UNLOCKED, _PREFIX))
            stack.callback(files.remove_tree, made)
        yield made


def _parent(workspace: Workspace) -> Path:
    """Where there is room, and not in a storage: that may be what was lost."""
    return workspace.config.drill_folder or Path("/var/tmp")  # noqa: S108 - the folder in it is made exclusively


def _require_room(made: Path, backup: Backup, needed: int) -> None:
    free = files.free_bytes(made)
    if free is not None and needed > free:
        raise AttemptFailed(
            Reason.SPACE,
            f"There is no room in {made.parent} for the copy of backup {backup.id}: "
            f"{units.format_size(needed)} are needed, {units.format_size(free)} are free.",
            remedy="Make room, or set drill_folder to a folder that has it.",
        )


def _remove_abandoned(path: Path) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if os.fstat(descriptor).st_uid == os.geteuid():
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                files.remove_tree(path)
        finally:
            os.close(descriptor)
