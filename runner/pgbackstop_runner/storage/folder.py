"""Copies in a folder: another disk, a network mount."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pgbackstop_catalog import regular_file
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.store import atomic, layout
from pgbackstop_runner.storage import hashed
from pgbackstop_runner.storage.hashed import HashedReader
from pgbackstop_runner.storage.protocol import DEEPEST, Lasting, Sent, StoreError, require_inside, wrong_size

_CHUNK_BYTES = 2**20
_LASTING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}


@dataclass(frozen=True, kw_only=True)
class FolderStore:
    """A ByteStore in a folder. Symbolic links below its root are not followed."""

    root: Path

    @property
    def encrypted_for(self) -> None:
        return None

    def put(self, source: BinaryIO, path: str, most_bytes: int) -> Sent:
        with _errors(self.root):
            target = self._inside(path)
            atomic.make_folder(target.parent)
            atomic.sweep_abandoned(target.parent)  # what a copy that was killed left of the same files
            temporary = atomic.temporary_beside(target)
            try:
                sent = _copy(hashed.reader(source), temporary)
                _compare(temporary, path, sent)
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)
            atomic.sync_folder(target.parent)
            return sent

    def put_bytes(self, content: bytes, path: str) -> None:
        with _errors(self.root):
            target = self._inside(path)
            atomic.make_folder(target.parent)
            atomic.sweep_abandoned(target.parent)
            atomic.write(target, content, shared=path == layout.STORAGE_MARK)

    def read(self, path: str) -> bytes:
        with _errors(self.root):
            return regular_file.read(self._inside(path), codec.MOST_BYTES)

    def mark(self) -> bytes | None:
        with _errors(self.root), contextlib.suppress(FileNotFoundError):
            return regular_file.read(self._inside(layout.STORAGE_MARK), codec.MOST_BYTES)
        return None

    def open(self, path: str, size_bytes: int) -> BinaryIO:
        with _errors(self.root):
            opened = os.fdopen(regular_file.descriptor(self._inside(path)), "rb")
            if (found := os.fstat(opened.fileno()).st_size) != size_bytes:
                opened.close()
                raise wrong_size(str(self.root / path), found, size_bytes)
            return opened

    def open_stored(self, path: str, size_bytes: int) -> BinaryIO:
        return self.open(path, size_bytes)

    def files(self, folder: str) -> Iterator[tuple[str, int]]:
        with _errors(self.root):
            if not any(self.root.iterdir()):
                # Nothing found must not read as "all of it is gone" where a disk is not mounted.
                raise StoreError(f"The storage {self.root} is empty.", remedy="Is its disk mounted?")
            start = self._inside(folder)
            for parent, folders, names in os.walk(start, onerror=_raise):
                if len(Path(parent).parts) - len(start.parts) >= DEEPEST:
                    folders.clear()
                for name in sorted(names):
                    path = Path(parent, name)
                    if not path.is_symlink():
                        yield path.relative_to(self.root).as_posix(), path.lstat().st_size

    def remove(self, paths: Iterable[str]) -> None:
        with _errors(self.root):
            for path in paths:
                target = self._inside(path)
                target.unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # one holds other files still, or is gone
                    for folder in itertools.takewhile(lambda each: each != self.root, target.parents):
                        folder.rmdir()

    def _inside(self, path: str) -> Path:
        """The place of ``path``. Raises Lasting where that is, or leads, outside the root."""
        require_inside(path, self.root)
        target = self.root / path
        if target.is_symlink():
            raise Lasting(f"{path!r} is no place inside {self.root}; nothing was touched.")
        if target.parent.resolve() != self.root.resolve() / Path(path).parent:
            raise Lasting(f"{target} leads elsewhere by a symbolic link; nothing was touched.")
        return target


def _copy(source: HashedReader, target: Path) -> Sent:
    """Copy durably; returns what was read."""
    with os.fdopen(atomic.create(target), "wb") as writer:
        while chunk := source.read(_CHUNK_BYTES):
            writer.write(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    return source.all_read()


def _compare(path: Path, name: str, sent: Sent) -> None:
    """Raises StoreError where the file does not hold what was read."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sent.sha256 or path.stat().st_size != sent.size_bytes:
        raise StoreError(
            f"The copy of {name} is not what was written (SHA-256 {found[:12]}…).",
            remedy="Look at the storage's disk, and at the memory of this host.",
        )


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # a folder that is not there has no files
        raise error


@contextlib.contextmanager
def _errors(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise (Lasting if error.errno in _LASTING else StoreError)(
            f"The storage {root} cannot be used: {error.filename or root}: {error.strerror or error}.",
            remedy="Check free space, the folder's owner and mode, and its mount.",
        ) from error
