"""A storage around another one, whose files are encrypted in the age format.

Files that PostgreSQL or its tools made are encrypted one by one, and their names end in ``.age`` there.
Records stay as they are, so that a host without an identity can tell what is there, copy on, and expire: they
have names, sizes and counts in them, and no rows. Sizes are those of the encrypted files. A file is read from
its beginning; ranges of it cannot be had.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.storage import Encryption
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.store import layout
from pgbackstop_runner.storage import age_keys, age_stream
from pgbackstop_runner.storage.age_keys import Recipient
from pgbackstop_runner.storage.protocol import ByteStore, Sealed, Sent

_RECORDS = frozenset(
    {
        layout.STORAGE_MARK,
        layout.RECORD_NAME,
        layout.CHECKSUMS_NAME,
        layout.RESTORE_NAME,
        wal_segments.IDENTITY_NAME,
        wal_segments.INDEX_NAME,
        wal_segments.STATE_NAME,
    }
)


@dataclass(frozen=True, kw_only=True)
class EncryptedStore:
    """A ByteStore in another one. Writing raises ConfigError without recipients, reading Sealed without
    an identity that fits."""

    inner: ByteStore
    name: str
    recipients: tuple[Recipient, ...]
    identities: tuple[Any, ...] = field(repr=False)

    @classmethod
    def around(cls, inner: ByteStore, name: str, encryption: Encryption) -> EncryptedStore:
        """Raises ConfigError for files of keys that cannot be used."""
        file = encryption.recipients_file
        return cls(
            inner=inner,
            name=name,
            recipients=age_keys.recipients(file) if file is not None else (),
            identities=age_keys.identities(encryption.identity_files),
        )

    @property
    def encrypted_for(self) -> tuple[str, ...]:
        return tuple(each.fingerprint for each in self.recipients)

    def put(self, source: BinaryIO, path: str, most_bytes: int) -> Sent:
        if _is_record(path):
            return self.inner.put(source, path, most_bytes)
        keys = self._keys()
        most = age_stream.most_bytes(most_bytes, len(keys))
        with age_stream.encrypting(source, keys) as stream:
            return self.inner.put(stream, _there(path), most)

    def put_bytes(self, content: bytes, path: str) -> None:
        if not _is_record(path):
            with age_stream.encrypting(io.BytesIO(content), self._keys()) as stream:
                content = stream.read()
        self.inner.put_bytes(content, _there(path))

    def read(self, path: str) -> bytes:
        if _is_record(path):
            return self.inner.read(path)
        content = self.inner.read(_there(path))
        return age_stream.decrypted(content, self._identities(path), self._where(path))

    def mark(self) -> bytes | None:
        return self.inner.mark()

    def open(self, path: str, size_bytes: int) -> BinaryIO:
        if _is_record(path):
            return self.inner.open(path, size_bytes)
        identities = self._identities(path)
        return age_stream.decrypting(self.inner.open(_there(path), size_bytes), identities, self._where(path))

    def open_stored(self, path: str, size_bytes: int) -> BinaryIO:
        return self.inner.open(_there(path), size_bytes)

    def files(self, folder: str) -> Iterator[tuple[str, int]]:
        """Files that are neither encrypted nor records are none of ours, and not told."""
        for path, size in self.inner.files(folder):
            if path.endswith(layout.ENCRYPTED_SUFFIX):
                yield path.removesuffix(layout.ENCRYPTED_SUFFIX), size
            elif _is_record(path):
                yield path, size

    def remove(self, paths: Iterable[str]) -> None:
        self.inner.remove(map(_there, paths))

    def _keys(self) -> list[Any]:
        if not self.recipients:
            raise errors.ConfigError(
                f"The storage {self.name} is encrypted, and the configuration does not say for whom.",
                remedy=f"Add recipients_file below storages.{self.name}.encryption.",
            )
        return [each.key for each in self.recipients]

    def _identities(self, path: str) -> tuple[Any, ...]:
        if not self.identities:
            raise Sealed(
                f"{self._where(path)} is encrypted, and the configuration names no identity to open it with.",
                remedy=f"Add identity_files below storages.{self.name}.encryption, on this host.",
            )
        return self.identities

    def _where(self, path: str) -> str:
        return f"{self.name}: {_there(path)}"


def _is_record(path: str) -> bool:
    return PurePosixPath(path).name in _RECORDS


def _there(path: str) -> str:
    """Where a file lies in the other storage."""
    return path if _is_record(path) else path + layout.ENCRYPTED_SUFFIX
