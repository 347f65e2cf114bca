"""This host's own state: locks and leases, what waits to be delivered, what runs here.

It lies in the catalog's folder unless the configuration names another, and is no part of the catalog: records
may be shared by several hosts, a lock of the kernel is one host's. Its locks are flock on small files, so the
kernel releases them when their process dies.

    state.json                               its mark, where it is not in the catalog's folder
    locks/<name>.lock                        held by one process, or leased by many
    outbox/                                  notifications that wait
    state/scheduler.json                     what the daemon knows
    state/console-audit.jsonl                who did what in the console
    state/tokens/<name>.json                 tokens of its API
    state/operations/<id>.{json,log,exit}    what was started in it, what that wrote, and how it ended
    state/schedules/{backups,drills}/<plan>.json  since when due times count, where cron or a timer starts
    state/wal/<server>.json                  what the WAL receiver of a server knows
    state/wal_readings/<server>.json         what was read back of its archive, and found
    state/wal_copies/<storage>/<server>.json what is known of its WAL in a further storage
    state/wal_copies/<storage>/<server>/     the index of that WAL, as it was read from the storage
    state/wal_copy_readings/<storage>/<server>.json  what was read back there, and found
    state/wal_holds/<storage>/<server>.json  what of its WAL is kept for that storage alone
    state/drills/<plan>/<id>.json            where drills work, for the sweep after a crash
    state/discovery/{servers,status}/<source>.json  see pgbackstop_catalog.config.discovered
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pgbackstop_catalog import errors, regular_file
from pgbackstop_catalog.model import format_time, utc_now
from pgbackstop_catalog.records import json_text
from pgbackstop_catalog.store import atomic, listing
from pgbackstop_catalog.text import is_name
from pgbackstop_runner.system import origin, orphans

# Of what is written into the folder for temporary files, with atomic.temporary_beside.
SCRATCH_PREFIX = "pgbackstop-"


def lease_name(backup_id: str) -> str:
    """The lock that the readers of a backup share, and that expire holds alone."""
    return f"lease-{backup_id}"


@dataclass(frozen=True)
class StateFolder:
    """The folder of this host's state."""

    root: Path

    @property
    def outbox(self) -> Path:
        """Where notifications wait."""
        return self.root / "outbox"

    @property
    def scheduler(self) -> Path:
        """The file of what the daemon knows."""
        return self.root / "state" / "scheduler.json"

    def schedule(self, what: Literal["backups", "drills"], plan: str) -> Path:
        """The file of since when a plan's due times count, where there is no daemon."""
        return self.root / "state" / "schedules" / what / f"{plan}.json"

    def create(self) -> None:
        """Begin the folder where there is none, nor a catalog. Raises CatalogError."""
        mark = self.root / listing.STATE_MARK
        try:
            if not mark.exists() and not listing.is_there(self.root):
                atomic.make_folder(self.root)
                atomic.write(mark, b"{}\n", shared=True)
        except OSError as error:
            raise _unwritable(mark, error) from error

    def make(self, folder: Path) -> None:
        """Make a folder of the state, where the catalog is there. Raises CatalogError, OSError."""
        listing.require_state(self.root)
        atomic.make_folder(folder)

    def wal(self, server: str) -> Path:
        """The file of what a server's WAL receiver knows."""
        return self.root / "state" / "wal" / f"{server}.json"

    def wal_readings(self, server: str) -> Path:
        """The file of what was read back of a server's WAL archive."""
        return self.root / "state" / "wal_readings" / f"{server}.json"

    def wal_copy(self, storage: str, server: str) -> Path:
        """The file of what is known of a server's WAL in a further storage."""
        return self.root / "state" / "wal_copies" / storage / f"{server}.json"

    def wal_copied(self) -> list[tuple[str, str]]:
        """Storage and server of each of these files, also of those that are not configured any more."""
        found = (self.root / "state" / "wal_copies").glob(f"*/[!.]*{listing.SUFFIX}")
        return sorted((path.parent.name, path.stem) for path in found if is_name(path.stem))

    def wal_copy_index(self, storage: str, server: str) -> Path:
        """The folder of what was read about it from that storage."""
        return self.root / "state" / "wal_copies" / storage / server

    def wal_copy_readings(self, storage: str, server: str) -> Path:
        """The file of what was read back of a server's WAL in a further storage."""
        return self.root / "state" / "wal_copy_readings" / storage / f"{server}.json"

    def wal_hold(self, storage: str, server: str) -> Path:
        """The file of what of a server's WAL is kept for a further storage alone."""
        return self.root / "state" / "wal_holds" / storage / f"{server}.json"

    @property
    def drills(self) -> Path:
        """The folder of the drills' notes: a folder for each plan, a file for each drill."""
        return self.root / "state" / "drills"

    @property
    def tokens(self) -> Path:
        """The folder of the tokens of the console's API: a file for each."""
        return self.root / "state" / "tokens"

    @property
    def operations(self) -> Path:
        """The folder of what was started in the console: up to three files for each."""
        return self.root / "state" / "operations"

    @contextlib.contextmanager
    def held(self, name: str, what: str) -> Iterator[None]:
        """Hold the lock ``name``. Raises Busy, which says who holds it, CatalogError."""
        path = self._lock(name)
        try:
            descriptor = _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise errors.Busy(
                f"{what} is already running{_holder(path)}.", remedy="Wait for it, or end it."
            ) from None
        try:
            holder = {**origin.here(), "since": format_time(utc_now())}
            with contextlib.suppress(OSError):  # a full disk must not keep a lock from being taken
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, json.dumps(holder).encode(), 0)
            yield
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Hold the lock ``name`` for a moment, and wait for who does so now. Raises CatalogError."""
        descriptor = _locked(self._lock(name), fcntl.LOCK_EX)
        try:
            yield
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def lease(self, backup_id: str) -> Iterator[None]:
        """Keep a backup from being expired while it is read; many may hold it. Raises CatalogError.

        The last one who releases it removes its file: there would be one for every backup there ever was.
        """
        path = self._lock(lease_name(backup_id))
        descriptor = _locked(path, fcntl.LOCK_SH)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            os.close(descriptor)

    def is_held(self, name: str) -> bool:
        """Whether some process holds the lock now."""
        if not self._lock(name).exists():
            return False
        try:
            with self.held(name, name):
                return False
        except errors.Busy:
            return True

    def discard_lease(self, backup_id: str) -> None:
        """Remove the lease's file of a backup that is gone; its lock is held by the caller."""
        self._lock(lease_name(backup_id)).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what processes that are gone left half written or waiting. Raises CatalogError."""
        orphans.end()
        # All there are: a list of them would lack the next one.
        below = (Path(folder) for folder, _, _ in os.walk(self.root / "state"))
        for folder in (*below, self.outbox):
            try:
                atomic.sweep_abandoned(folder)
            except OSError as error:
                raise _unwritable(folder, error) from error
        for path in (self.root / "locks").glob(f"{lease_name('*')}.lock"):
            _remove_unheld(path)
        with contextlib.suppress(OSError):  # others have files there, which may be nobody's to look at
            atomic.sweep_abandoned(Path(tempfile.gettempdir()), SCRATCH_PREFIX)

    def _lock(self, name: str) -> Path:
        return self.root / "locks" / f"{name}.lock"


# https://man7.org/linux/man-pages/man2/flock.2.html; as NFS without its lock daemon, and some of FUSE.
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}


def _locked(path: Path, operation: int) -> int:
    """A descriptor of the file that stands under the name now, locked. Raises BlockingIOError, CatalogError.

    Somebody may have removed the file between opening and locking it; such a lock would protect nothing.
    """
    while True:
        descriptor = _open(path)
        try:
            fcntl.flock(descriptor, operation)
            if _is_current(descriptor, path):
                return descriptor
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, OSError) and error.errno in _NO_LOCKS:
                raise errors.CatalogError(
                    f"The file system of {path.parent} knows no locks: {error.strerror}.",
                    remedy="Set state_folder to a folder on a disk of this host.",
                ) from error
            raise
        os.close(descriptor)


def _remove_unheld(path: Path) -> None:
    """Remove a lease's file that a process which is gone left; whoever holds it keeps it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_current(descriptor, path):
                path.unlink()
        finally:
            os.close(descriptor)


def _is_current(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _open(path: Path) -> int:
    listing.require_state(path.parent.parent)
    try:
        atomic.make_folder(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, atomic.FILE_MODE)
        atomic.give_to_owner(descriptor, path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    return descriptor


def _unwritable(path: Path, error: OSError) -> errors.CatalogError:
    return errors.CatalogError(
        f"The catalog cannot be written: {path}: {error.strerror}.",
        remedy="Check the folder's owner and mode, and that it is not mounted read-only.",
    )


def _holder(path: Path) -> str:
    try:
        holder = json_text.parse(regular_file.read(path, 10_000))
        return f" (process {holder['pid']} on {holder['host']}, since {holder['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
