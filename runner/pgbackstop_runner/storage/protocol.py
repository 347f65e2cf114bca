"""Where copies go: the interface of every kind of storage, and what may be wrong with one.

Paths are relative to the storage's root and use slashes. Methods raise StoreError.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import BinaryIO, NamedTuple, Protocol

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.backup import StoredFile

# Folders in each other; a backup of ours has six. Who can write to a storage could nest them without end.
DEEPEST = 32


class StoreError(errors.PgbackstopError):
    """A storage cannot be reached, read or written, or does not hold what was sent to it."""

    exit_code = errors.CatalogError.exit_code


class Lasting(StoreError):
    """To try again changes nothing: no right, no such bucket or file, no space."""


class Damaged(StoreError):
    """What a storage holds of a file is not what was stored."""

    exit_code = errors.Corrupt.exit_code


def wrong_size(path: str, found: int, expected: int) -> Damaged:
    """The error for a file that is not whole."""
    return Damaged(
        f"{path} has {found} of {expected} bytes.", remedy="Use another backup, or another copy of this one."
    )


def require_inside(path: str, where: object) -> None:
    """Raises Lasting for a path that leads out of a storage."""
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise Lasting(f"{path!r} is no place inside {where}; nothing was touched.")


class Sealed(StoreError):
    """A file is encrypted, and the configuration names no identity that opens it."""

    exit_code = errors.ConfigError.exit_code


class SourceChanged(Lasting):
    """The original is not what it was when it was stored first."""

    def __init__(self, file: StoredFile) -> None:
        super().__init__(
            f"{file.path} is not what was stored first; a copy of it would be worth nothing.",
            remedy="Verify the backup itself; then look at the disks and the memory of this host.",
        )


class Sent(NamedTuple):
    """What is stored of a stream: after it was encrypted, where that is done."""

    size_bytes: int
    sha256: str


class ByteStore(Protocol):
    """A storage that keeps files under paths. Sizes are those of what is stored."""

    @property
    def encrypted_for(self) -> tuple[str, ...] | None:
        """Whose identities open its files, by fingerprints; None where they are not encrypted."""

    def put(self, source: BinaryIO, path: str, most_bytes: int) -> Sent:
        """Store all of a stream, of so many bytes at most, and compare what is stored with what was read.

        Returns what is stored. What reading raises is raised, and nothing is stored then.
        """

    def put_bytes(self, content: bytes, path: str) -> None:
        """Store a small file."""

    def read(self, path: str) -> bytes:
        """A small file."""

    def mark(self) -> bytes | None:
        """The mark at its root; None where there is none, or no root."""

    def open(self, path: str, size_bytes: int) -> BinaryIO:
        """A file of that size as a stream from its beginning; reading raises StoreError."""

    def open_stored(self, path: str, size_bytes: int) -> BinaryIO:
        """The same as it is stored: without an identity, where it is encrypted."""

    def files(self, folder: str) -> Iterator[tuple[str, int]]:
        """Path and bytes of every file below a folder; none where it is not there."""

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files. Those that are gone already are no error."""
