"""Streams that are encrypted or decrypted in the age format on their way, in bounded memory.

pyrage reads one stream and writes another, so it works in a thread of its own, and a pipe is between.
"""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, cast

import pyrage  # type: ignore[import-untyped]

from pgbackstop_runner.storage.protocol import Damaged, Sealed, StoreError
from pgbackstop_runner.system import streams

_BUFFER_BYTES = 2**20
_CHUNK_BYTES, _TAG_BYTES = 2**16, 16  # of the format
_MOST_OF_RECIPIENT = 2**12  # a line of the header; 750 bytes for an RSA key of 4096 bits


def most_bytes(content: int, recipients: int) -> int:
    """As large as that much content can be when it is encrypted; the header's length is left to chance."""
    chunks = content // _CHUNK_BYTES + 1
    return content + (chunks + 1) * _TAG_BYTES + (recipients + 1) * _MOST_OF_RECIPIENT


@contextlib.contextmanager
def encrypting(source: BinaryIO, recipients: Sequence[Any]) -> Iterator[BinaryIO]:
    """The stream encrypted; reading raises what reading the source raises."""
    reading = _Reading(source)

    def work(out: BinaryIO) -> None:
        try:
            pyrage.encrypt_io(reading, out, recipients)
        except (pyrage.EncryptError, OSError) as error:
            raise reading.error or error from None

    with io.BufferedReader(_Worked(work), _BUFFER_BYTES) as stream:
        yield cast("BinaryIO", stream)


def decrypting(source: BinaryIO, identities: Sequence[Any], where: str) -> BinaryIO:
    """The stream decrypted; closed, it closes the source.

    Reading raises Sealed, StoreError for what is no whole file of the format, what reading the source raises.
    """
    reading = _Reading(source)

    def work(out: BinaryIO) -> None:
        try:
            pyrage.decrypt_io(reading, out, identities)
        except (pyrage.DecryptError, OSError) as error:
            raise reading.error or _told(error, where) from None

    return cast("BinaryIO", io.BufferedReader(_Worked(work, source), _BUFFER_BYTES))


def decrypted(content: bytes, identities: Sequence[Any], where: str) -> bytes:
    """The same of a small file."""
    try:
        return bytes(pyrage.decrypt(content, identities))
    except (pyrage.DecryptError, OSError) as error:
        raise _told(error, where) from None


def _told(error: Exception, where: str) -> StoreError:
    if "No matching keys" in str(error):
        return Sealed(
            f"None of the identities that the configuration names opens {where}.",
            remedy="Add the identity of one of its recipients to identity_files; the record beside the files "
            "(backup.json) names them.",
        )
    return Damaged(
        f"{where} is damaged: it does not decrypt.", remedy="Use another backup, or another copy of this one."
    )


class _Reading:
    """Keeps what reading raised: pyrage tells it in its own words."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.error: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            return self._source.read(size)
        except Exception as error:
            self.error = error
            raise


class _Worked(io.RawIOBase):
    """What a function writes, as a stream. The end is not told before the function has returned."""

    def __init__(self, work: Callable[[BinaryIO], None], source: BinaryIO | None = None) -> None:
        self._source = source
        self._error: BaseException | None = None
        self._reader, writer = os.pipe()
        streams.widen(writer)
        self._thread = threading.Thread(target=self._run, args=(work, writer), name="age", daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[BinaryIO], None], writer: int) -> None:
        try:
            with os.fdopen(writer, "wb", buffering=streams.CHUNK) as out:
                work(out)
        except BaseException as error:
            self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        count = os.readv(self._reader, [cast("bytearray", buffer)])
        if not count:
            self._thread.join()
            if self._error is not None:
                raise self._error
        return count

    def close(self) -> None:
        if not self.closed:
            os.close(self._reader)  # whoever writes still, ends
            self._thread.join()
            if self._source is not None:
                self._source.close()
        super().close()
