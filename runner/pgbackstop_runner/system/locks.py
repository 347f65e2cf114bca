"""Locks that the kernel releases when their process dies: flock on small files of the catalog."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import format_time, utc_now
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.system import origin


@contextlib.contextmanager
def held(catalog: Path, name: str, what: str) -> Iterator[None]:
    """Hold the lock ``name`` of the catalog. Raises Busy, which says who holds it, CatalogError."""
    path = catalog / "locks" / f"{name}.lock"
    descriptor = _open(path)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise errors.Busy(
                f"{what} is already running{_holder(path)}.", remedy="Wait for it, or end it."
            ) from None
        holder = {**origin.here(), "since": format_time(utc_now())}
        with contextlib.suppress(OSError):  # a full disk must not keep a lock from being taken
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(holder).encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def lease(catalog: Path, backup_id: str) -> Iterator[None]:
    """Keep a backup from being expired while it is read; many may hold it. Raises CatalogError."""
    descriptor = _open(catalog / "locks" / f"{lease_name(backup_id)}.lock")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def lease_name(backup_id: str) -> str:
    """The lock that its readers share, and that expire holds alone."""
    return f"lease-{backup_id}"


def is_held(catalog: Path, name: str) -> bool:
    """Whether some process holds the lock now."""
    try:
        with held(catalog, name, name):
            return False
    except errors.Busy:
        return True


def _open(path: Path) -> int:
    try:
        atomic.make_folder(path.parent)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, atomic.FILE_MODE)
    except OSError as error:
        raise errors.CatalogError(
            f"The catalog cannot be written: {path}: {error.strerror}.",
            remedy="Check the folder's owner and mode, and that it is not mounted read-only.",
        ) from error


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_bytes())
        return f" (process {holder['pid']} on {holder['host']}, since {holder['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
