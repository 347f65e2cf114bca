"""The kinds of storage that copies go to, one file for each.

folder.py      another disk of this host
bucket.py      a bucket of
  s3.py        S3, and servers that speak its protocol
  gcs.py       Google Cloud Storage
  azure.py     Azure Blob Storage
sftp.py        a folder of an SFTP server
paced.py       around one of them, with a rate limit
encrypted.py   around any of them
"""

from __future__ import annotations

import functools
from pathlib import Path

from pgbackstop_catalog.config.storage import (
    AnyStorage,
    AzureStorage,
    FolderStorage,
    GcsStorage,
    ObjectStorage,
    S3Storage,
)
from pgbackstop_catalog.model import utc_now
from pgbackstop_runner.storage.paced import Pace, PacedStore
from pgbackstop_runner.storage.protocol import ByteStore

_KEPT = 16  # clients of buckets, each with its connections


def open_store(name: str, storage: AnyStorage) -> ByteStore:
    """The storage of a configuration. Raises ConfigError for files of keys that cannot be used."""
    store = _plain(name, storage)
    if not isinstance(storage, FolderStorage) and storage.rate_limit is not None:
        hours = storage.rate_limit_hours

        def holds() -> bool:
            return not hours or any(each.hold(utc_now()) for each in hours)

        store = PacedStore(inner=store, pace=Pace(storage.rate_limit, holds=holds))
    if storage.encryption is None:
        return store
    from pgbackstop_runner.storage.encrypted import EncryptedStore  # noqa: PLC0415 - pyrage is 4 MB

    return EncryptedStore.around(store, name, storage.encryption)


def _plain(name: str, storage: AnyStorage) -> ByteStore:
    if isinstance(storage, FolderStorage):
        from pgbackstop_runner.storage.folder import FolderStore  # noqa: PLC0415 - only the kind in use

        return FolderStore(root=storage.path)
    if isinstance(storage, S3Storage | GcsStorage | AzureStorage):
        return _bucket(name, storage, _stamps(storage))
    from pgbackstop_runner.storage.sftp import SftpStore  # noqa: PLC0415 - asyncssh costs 0.2 s

    return SftpStore.connect(name, storage)


@functools.lru_cache(maxsize=_KEPT)
def _bucket(
    name: str, storage: S3Storage | GcsStorage | AzureStorage, _keys: tuple[object, ...]
) -> ByteStore:
    """The same for the same settings, as long as their files are the same: a client costs tens of
    milliseconds, and brings its connections."""
    if isinstance(storage, S3Storage):
        from pgbackstop_runner.storage import s3  # noqa: PLC0415 - obstore is 40 MB

        return s3.connect(name, storage)
    if isinstance(storage, GcsStorage):
        from pgbackstop_runner.storage import gcs  # noqa: PLC0415

        return gcs.connect(name, storage)
    from pgbackstop_runner.storage import azure  # noqa: PLC0415

    return azure.connect(name, storage)


def _stamps(storage: ObjectStorage) -> tuple[object, ...]:
    """What tells files of keys from those that take their place."""
    return tuple(_stamp(value) for _name, value in storage if isinstance(value, Path))


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError:  # to be said by whoever reads it
        return ()
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size
