"""Copies in a bucket: of S3 and servers that speak its protocol, of Google Cloud Storage, of Azure.

What is stored is compared with what was hashed when the backup was made: the bytes are hashed again on
their way, the size is asked for, and the bucket's own checksum (the ETag, the MD5 of the parts' MD5s) is
computed here as well. Where a bucket's ETag is something else, as with KMS keys, at Google's and in Azure,
the object is read back.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import obstore
from obstore.exceptions import BaseError, NotFoundError

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.storage import ObjectStorage
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.store import layout
from pgbackstop_runner.storage import bucket_errors, hashed, secret_files
from pgbackstop_runner.storage.protocol import Sent, StoreError, require_inside, wrong_size
from pgbackstop_runner.storage.range_reader import BUFFER_BYTES, RangeReader

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import AzureStore, GCSStore, RetryConfig, S3Store

    AnyStore = S3Store | GCSStore | AzureStore

PART_BYTES = 8 * 2**20
_MOST_PARTS = 9_000  # S3 allows 10,000
_SMALL = 2**16
_CONCURRENCY = 4  # times PART_BYTES is the memory of an upload
# Of one request, with growing pauses. Who sends waits for up to a minute: a part that is refused while the
# server has too much to do would end the upload of all others.
RETRY: RetryConfig = {"max_retries": 3}
RETRY_SENDING: RetryConfig = {
    "max_retries": 12,
    "retry_timeout": timedelta(seconds=60),
    "backoff": {"init_backoff": timedelta(seconds=1), "max_backoff": timedelta(seconds=15), "base": 2},
}
SILENCE = "60s"  # without a byte of an answer
SENDING = "600s"  # without an answer to what was sent, the time to send it included
_NO_LIMIT = "30days"  # of a whole request: a large object takes what it takes


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A ByteStore in a bucket, below a prefix. ``sender`` is the same place, for what is sent."""

    name: str
    store: AnyStore = field(repr=False)
    sender: AnyStore = field(repr=False)
    attributes: dict[str, str] | None = None

    @classmethod
    def connect(cls, name: str, storage: ObjectStorage, make: Callable[..., AnyStore]) -> Bucket:
        """With what all buckets have in common; ``make`` takes the prefix, and options of obstore's client.

        Raises ConfigError for files of keys that cannot be used. Speaks to nobody yet.
        """
        common: dict[str, Any] = {
            "allow_http": storage.allow_http,
            "timeout": _NO_LIMIT,
            "connect_timeout": "10s",
        }
        if storage.ca_file is not None:
            common["root_certificate"] = secret_files.text(storage.ca_file)
        if storage.proxy is not None:
            common["proxy_url"] = storage.proxy
        prefix = storage.prefix.strip("/") or None
        try:
            store, sender = (
                make(prefix=prefix, client_options={**common, "read_timeout": limit}, retry_config=retry)
                for limit, retry in ((SILENCE, RETRY), (SENDING, RETRY_SENDING))
            )
        except (BaseError, ValueError, OSError) as error:  # without what it says, which may quote a key
            raise errors.ConfigError(
                f"Storage {name} cannot be used with these settings and files of keys.",
                remedy="Check them: certificates are PEM, a service account's key JSON, an account's base64.",
            ) from error
        attributes = {"Storage-Class": storage.storage_class} if storage.storage_class else None
        return cls(name=name, store=store, sender=sender, attributes=attributes)

    @property
    def encrypted_for(self) -> None:
        return None

    def put(self, source: BinaryIO, path: str, most_bytes: int) -> Sent:
        part = max(PART_BYTES, -(-most_bytes // _MOST_PARTS))
        stream = hashed.reader(source)
        with self._errors(path), _PartDigests() as digests:
            if most_bytes <= part:
                content: bytes | Iterator[bytes] = digests.add(stream.read())
            else:
                content = map(digests.add, iter(partial(stream.read, part), b""))
            obstore.put(
                self.sender,
                path,
                content,
                use_multipart=most_bytes > part,
                chunk_size=part,
                max_concurrency=_CONCURRENCY,
                attributes=self.attributes,
            )
            sent = stream.all_read()
            self._compare(path, sent, digests.etags())
        return sent

    def put_bytes(self, content: bytes, path: str) -> None:
        with self._errors(path):
            obstore.put(self.sender, path, content, use_multipart=False, attributes=self.attributes)
            if obstore.head(self.store, path)["size"] != len(content):
                raise StoreError(f"{path} was stored in part only in {self.name}.")

    def read(self, path: str) -> bytes:
        with self._errors(path):
            return self._read(path)

    def mark(self) -> bytes | None:
        with self._errors(layout.STORAGE_MARK), contextlib.suppress(NotFoundError, FileNotFoundError):
            return self._read(layout.STORAGE_MARK)
        return None

    def _read(self, path: str) -> bytes:
        content = bytearray()
        for chunk in obstore.get(self.store, path).stream(min_chunk_size=_SMALL):
            content += chunk
            if len(content) > codec.MOST_BYTES:
                raise StoreError(f"{self.name}: {path} is larger than {codec.MOST_BYTES} bytes.")
        return bytes(content)

    def open(self, path: str, size_bytes: int) -> BinaryIO:
        """By ranges: each is one request with its own time limit and its own retries."""

        def fetch(start: int, length: int) -> memoryview:
            try:
                return self._range(path, start, length)
            except StoreError:
                self._require_size(path, size_bytes)
                raise

        return cast("BinaryIO", io.BufferedReader(RangeReader(fetch, size_bytes), BUFFER_BYTES))

    def _range(self, path: str, start: int, length: int) -> memoryview:
        """One piece of what is asked for; get_range would wait for the end of the answer."""
        wanted: GetOptions = {"range": (start, start + length)}
        with self._errors(path):
            stream = obstore.get(self.store, path, options=wanted).stream(min_chunk_size=length)
            found = memoryview(next(iter(stream), b""))
        if len(found) != length:
            raise StoreError(f"{self.name} gave {len(found)} of {length} bytes of {path}.")
        return found

    def open_stored(self, path: str, size_bytes: int) -> BinaryIO:
        return self.open(path, size_bytes)

    def files(self, folder: str) -> Iterator[tuple[str, int]]:
        with self._errors(folder):
            for batch in obstore.list(self.store, folder):
                for each in batch:
                    yield each["path"], each["size"]

    def remove(self, paths: Iterable[str]) -> None:
        for path in paths:
            with self._errors(path), contextlib.suppress(NotFoundError, FileNotFoundError):
                obstore.delete(self.store, path)

    def _require_size(self, path: str, size_bytes: int) -> None:
        """Raises Damaged for an object that is shorter, or was replaced by another while it was read."""
        with self._errors(path):
            found = obstore.head(self.store, path)["size"]
        if found != size_bytes:
            raise wrong_size(f"{self.name}: {path}", found, size_bytes)

    def _compare(self, path: str, sent: Sent, etags: set[str]) -> None:
        meta = obstore.head(self.store, path)
        if meta["size"] != sent.size_bytes:
            raise StoreError(f"{self.name} holds {meta['size']} of the {sent.size_bytes} bytes of {path}.")
        if (meta.get("e_tag") or "").strip('"') not in etags and not self._reads_back(path, sent):
            raise StoreError(f"{self.name} holds other bytes than were sent of {path}.")

    def _reads_back(self, path: str, sent: Sent) -> bool:
        found, left = hashlib.sha256(), sent.size_bytes
        for chunk in obstore.get(self.store, path).stream(min_chunk_size=PART_BYTES):
            found.update(chunk)
            left -= len(chunk)
            if left < 0:  # it may go on without end
                return False
        return found.hexdigest() == sent.sha256

    @contextlib.contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        require_inside(path, self.name)
        try:
            yield
        except (BaseError, OSError) as error:
            raise bucket_errors.told(error, self.name, path) from error


class _PartDigests:
    """The MD5 of each part, made by a thread beside the sending; one part at most is held for it."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="md5")
        self._parts: list[Future[bytes]] = []

    def __enter__(self) -> _PartDigests:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._worker.shutdown()

    def add(self, content: bytes) -> bytes:
        if self._parts:
            self._parts[-1].result()
        self._parts.append(self._worker.submit(_md5, content))
        return content

    def etags(self) -> set[str]:
        """What S3 answers for these parts."""
        parts = [each.result() for each in self._parts]
        whole = {f"{_md5(b''.join(parts)).hex()}-{len(parts)}"}
        return whole | ({parts[0].hex()} if len(parts) == 1 else set())


def _md5(content: bytes) -> bytes:
    return hashlib.md5(content, usedforsecurity=False).digest()
