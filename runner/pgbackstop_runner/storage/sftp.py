"""Copies in a folder of an SFTP server.

What is sent goes to a name of its own, is made durable where the server can do that, and is read back and
compared before it gets its place by one rename: what has a name is whole, and a file that is there is never
written into.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import stat
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

import asyncssh
from asyncssh import SFTPAttrs, SFTPClient, SFTPClientFile, SFTPName

from pgbackstop_catalog.config.storage import SftpStorage
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.store import atomic, layout
from pgbackstop_runner.storage import hashed, sftp_login, sftp_session
from pgbackstop_runner.storage.hashed import HashedReader
from pgbackstop_runner.storage.protocol import DEEPEST, Lasting, Sent, StoreError, require_inside, wrong_size
from pgbackstop_runner.storage.range_reader import RangeReader
from pgbackstop_runner.storage.sftp_session import Session

_CHUNK_BYTES = 2**20
_AHEAD = 3  # chunks on their way at once; asyncssh cuts each into requests


@dataclass(frozen=True, kw_only=True)
class SftpStore:
    """A ByteStore in a folder of a server. Symbolic links in it are not told of."""

    name: str
    storage: SftpStorage
    session: Session = field(repr=False)

    @classmethod
    def connect(cls, name: str, storage: SftpStorage) -> SftpStore:
        """Raises ConfigError for files of keys that cannot be used. Speaks to nobody yet."""
        session = sftp_session.session(storage, sftp_login.options(storage))
        return cls(name=name, storage=storage, session=session)

    @property
    def encrypted_for(self) -> None:
        return None

    def put(self, source: BinaryIO, path: str, most_bytes: int) -> Sent:
        with self._errors(path):
            target = self._inside(path)
            self._sweep(target.parent)
            temporary = str(target.with_name(atomic.temporary_beside(Path(target.name)).name))
            try:
                with self._made(temporary, target.parent) as file:
                    sent = self._send(hashed.reader(source), file)
                self._compare(temporary, path, sent)
                self.session.call(SFTPClient.posix_rename, temporary, str(target))
            except BaseException:
                self.session.clean_up(SFTPClient.remove, temporary)
                raise
            return sent

    def put_bytes(self, content: bytes, path: str) -> None:
        self.put(io.BytesIO(content), path, len(content))

    def read(self, path: str) -> bytes:
        with self._errors(path):
            return self._read(path)

    def mark(self) -> bytes | None:
        with self._errors(layout.STORAGE_MARK), contextlib.suppress(asyncssh.SFTPNoSuchFile):
            return self._read(layout.STORAGE_MARK)
        return None

    def open(self, path: str, size_bytes: int) -> BinaryIO:
        with self._errors(path):
            target = str(self._inside(path))

        def fetch(start: int, length: int) -> bytes:
            with self._errors(path), self._opened(target) as file:
                found = self.session.call(sftp_session.read, file, length, start)
            if len(found) != length:
                raise wrong_size(f"{self.name}: {path}", start + len(found), size_bytes)
            return found

        return cast("BinaryIO", io.BufferedReader(RangeReader(fetch, size_bytes), _CHUNK_BYTES))

    def open_stored(self, path: str, size_bytes: int) -> BinaryIO:
        return self.open(path, size_bytes)

    def files(self, folder: str) -> Iterator[tuple[str, int]]:
        with self._errors(folder):
            start = self._inside(folder)
            if not self._listed(PurePosixPath(self.storage.folder)):
                # Nothing found must not read as "all of it is gone" where a disk is not mounted.
                raise StoreError(f"The storage {self.name} is empty.", remedy="Is the server's disk mounted?")
            yield from self._below(PurePosixPath(folder), start)

    def remove(self, paths: Iterable[str]) -> None:
        folders: set[PurePosixPath] = set()
        for path in paths:
            with self._errors(path), contextlib.suppress(asyncssh.SFTPNoSuchFile):
                target = str(self._inside(path))
                folders.update(PurePosixPath(path).parents)
                self.session.call(SFTPClient.remove, target)
        for folder in sorted(folders - {PurePosixPath()}, key=lambda each: len(each.parts), reverse=True):
            with self._errors(str(folder)), contextlib.suppress(asyncssh.SFTPError):  # holds others still
                empty = str(self._inside(str(folder)))
                self.session.call(SFTPClient.rmdir, empty)

    def _inside(self, path: str) -> PurePosixPath:
        require_inside(path, self.name)
        return PurePosixPath(self.storage.folder, path)

    @contextlib.contextmanager
    def _opened(self, path: str) -> Iterator[SFTPClientFile]:
        file = self.session.call(SFTPClient.open, path, "rb")
        try:
            yield file
        finally:
            self.session.clean_up(sftp_session.end, file)

    @contextlib.contextmanager
    def _made(self, path: str, folder: PurePosixPath) -> Iterator[SFTPClientFile]:
        """A new file, mode 0600; durable at the end."""
        attrs = SFTPAttrs(permissions=atomic.FILE_MODE)

        def create() -> SFTPClientFile:
            return self.session.call(SFTPClient.open, path, "xb", attrs)

        try:
            file = create()
        except asyncssh.SFTPNoSuchFile:
            self._make_folder(folder)
            file = create()
        try:
            yield file
            self.session.call(sftp_session.sync, file)
        except BaseException:
            self.session.clean_up(sftp_session.end, file)
            raise
        self.session.call(sftp_session.end, file)

    def _make_folder(self, folder: PurePosixPath) -> None:
        """With its parents, mode 0700; folders that are there stay as they are."""
        if self.session.call(SFTPClient.isdir, str(folder)):
            return
        self._make_folder(folder.parent)
        attrs = SFTPAttrs(permissions=atomic.FOLDER_MODE)
        try:
            self.session.call(SFTPClient.mkdir, str(folder), attrs)
        except asyncssh.SFTPError:
            if not self.session.call(SFTPClient.isdir, str(folder)):  # another was faster
                raise

    def _send(self, source: HashedReader, file: SFTPClientFile) -> Sent:
        start = 0
        on_their_way: deque[Future[int]] = deque()
        for chunk in iter(partial(source.read, _CHUNK_BYTES), b""):
            on_their_way.append(self.session.start(sftp_session.write, file, chunk, start))
            start += len(chunk)
            if len(on_their_way) == _AHEAD:
                on_their_way.popleft().result()
        for each in on_their_way:
            each.result()
        return source.all_read()

    def _compare(self, there: str, path: str, sent: Sent) -> None:
        found, count = hashlib.sha256(), 0
        with self._opened(there) as file:
            for chunk in self._chunks(file):
                found.update(chunk)
                count += len(chunk)
                if count > sent.size_bytes:  # it may go on without end
                    raise StoreError(f"{self.name} holds more than the {sent.size_bytes} bytes of {path}.")
        if count != sent.size_bytes:
            raise StoreError(f"{self.name} holds {count} of the {sent.size_bytes} bytes of {path}.")
        if found.hexdigest() != sent.sha256:
            raise StoreError(f"{self.name} holds other bytes than were sent of {path}.")

    def _chunks(self, file: SFTPClientFile) -> Iterator[bytes]:
        """All of a file, a few chunks ahead; some beyond its end are asked for."""
        coming: deque[Future[bytes]] = deque()
        start = 0
        while True:
            while len(coming) < _AHEAD:
                coming.append(self.session.start(sftp_session.read, file, _CHUNK_BYTES, start))
                start += _CHUNK_BYTES
            chunk = coming.popleft().result()
            if chunk:
                yield chunk
            if len(chunk) < _CHUNK_BYTES:
                return

    def _read(self, path: str) -> bytes:
        content = bytearray()
        with self._opened(str(self._inside(path))) as file:
            for chunk in self._chunks(file):
                content += chunk
                if len(content) > codec.MOST_BYTES:
                    raise StoreError(f"{self.name}: {path} is larger than {codec.MOST_BYTES} bytes.")
        return bytes(content)

    def _listed(self, folder: PurePosixPath) -> list[SFTPName]:
        return self.session.call(self.session.listed, str(folder))

    def _below(self, path: PurePosixPath, there: PurePosixPath, depth: int = 0) -> Iterator[tuple[str, int]]:
        try:
            entries = self._listed(there)
        except asyncssh.SFTPNoSuchFile:  # it is not there, or not any more: it has no files
            return
        for entry in sorted(entries, key=lambda each: str(each.filename)):
            name, mode = str(entry.filename), entry.attrs.permissions or 0
            if stat.S_ISDIR(mode) and depth < DEEPEST:
                yield from self._below(path / name, there / name, depth + 1)
            elif stat.S_ISREG(mode):
                yield str(path / name), entry.attrs.size or 0

    def _sweep(self, folder: PurePosixPath) -> None:
        """Remove what uploads that were killed left in it, once in the time after which that shows."""
        now = time.monotonic()
        if now - self.session.swept.get(str(folder), -math.inf) < atomic.LONGEST_WRITE:
            return
        with contextlib.suppress(asyncssh.SFTPNoSuchFile):
            for entry in self._listed(folder):
                left = folder / str(entry.filename)
                written = entry.attrs.mtime or 0
                if atomic.is_temporary(Path(left)) and time.time() - written > atomic.LONGEST_WRITE:
                    self.session.call(SFTPClient.remove, left)
        self.session.swept[str(folder)] = now

    @contextlib.contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        try:
            yield
        except (asyncssh.Error, OSError, ValueError) as error:
            reason, remedy = sftp_login.explained(error, self.storage)
            kind = Lasting if isinstance(error, sftp_login.LASTING) else StoreError
            raise kind(f"The storage {self.name} cannot be used: {path}: {reason}.", remedy=remedy) from error
