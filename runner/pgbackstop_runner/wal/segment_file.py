"""The bytes of an archived segment: stored as they are, as lz4 or as zstd."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from pgbackstop_catalog import errors, regular_file
from pgbackstop_catalog.store import atomic

Compression = Literal["none", "lz4", "zstd"]
SUFFIXES: dict[Compression, str] = {"none": "", "lz4": ".lz4", "zstd": ".zst"}
ZSTD_LEVEL = 3
_MOST_OF_HISTORY = 10**6  # a line for each time that the server was recovered
_CHUNK = 2**20
# pg_receivewal writes blocks of 64 KiB of content, the lz4 tool of 4 MiB.
_FIRST_BLOCK = 2**17


class Damaged(errors.PgbackstopError):
    """Stored bytes that do not decompress."""


class Stored(NamedTuple):
    """The size in bytes and the SHA-256 of what lies on the disk."""

    size_bytes: int
    sha256: str


def split(file_name: str) -> tuple[str, Compression]:
    """``…A1.lz4`` is segment ``…A1`` compressed with lz4."""
    for compression, suffix in SUFFIXES.items():
        if suffix and file_name.endswith(suffix):
            return file_name.removesuffix(suffix), compression
    return file_name, "none"


def beginning(path: Path, count: int) -> bytes:
    """The first ``count`` bytes of the content; fewer where there are fewer. Raises Damaged, OSError."""
    _, compression = split(path.name)
    with _file(path) as file:
        if compression == "lz4":
            return _lz4_beginning(path, file, count)
        with _opened(path, file, compression) as stream:
            return stream.read(count)


def digest(path: Path) -> Stored:
    """Size and SHA-256 of the *content*, which compressors do not change. Raises Damaged, OSError."""
    hashed, size = hashlib.sha256(), 0
    _, compression = split(path.name)
    with _file(path) as file, _opened(path, file, compression) as stream:
        for chunk in _chunks(stream):
            hashed.update(chunk)
            size += len(chunk)
    return Stored(size, hashed.hexdigest())


def length(path: Path) -> int:
    """Bytes of the content, all of which is decompressed. Raises Damaged, OSError."""
    _, compression = split(path.name)
    with _file(path) as file, _opened(path, file, compression) as stream:
        return sum(map(len, _chunks(stream)))


def stored(path: Path) -> Stored:
    """Size and SHA-256 of the bytes on the disk, which are made durable. Raises OSError."""
    hashed, size = hashlib.sha256(), 0
    with _file(path, buffering=0) as file:
        while chunk := file.read(_CHUNK):
            hashed.update(chunk)
            size += len(chunk)
        os.fsync(file.fileno())
    return Stored(size, hashed.hexdigest())


def compress(source: Path, target: Path, compression: Compression) -> Stored:
    """Write ``source`` compressed to ``target``, a new file, durably; one pass. Raises OSError.

    No file is left then, but for one that was there before.
    """
    hashed, size = hashlib.sha256(), 0
    descriptor = atomic.create(target)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as out, _file(source) as file:
            for chunk in _compressed(file, compression):
                out.write(chunk)
                hashed.update(chunk)
                size += len(chunk)
            os.fsync(out.fileno())
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return Stored(size, hashed.hexdigest())


def history_text(path: Path) -> str:
    """What a ``.history`` file says; nothing where it is no file. Raises OSError."""
    try:
        return regular_file.read(path, _MOST_OF_HISTORY).decode(errors="replace")
    except regular_file.Unusual:
        return ""


def ends_whole(path: Path) -> bool:
    """Whether an lz4 frame ends with its end mark, so that nothing was cut off; True for other files.

    https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md: the mark is four zero bytes, followed by a
    checksum of four where bit 2 of the flags says so.
    """
    if split(path.name)[1] != "lz4":
        return True
    with _file(path) as file:
        flags = file.read(5)[-1:]
        checksum = 4 if flags and flags[0] & 0b100 else 0
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 4 - checksum))
        return file.read(4) == b"\0\0\0\0"


def _file(path: Path, *, buffering: int = -1) -> BinaryIO:
    """The file itself: another host may archive here, whose link would lead to a file of ours."""
    return os.fdopen(regular_file.descriptor(path, follows=False), "rb", buffering)


def _compressed(file: BinaryIO, compression: Compression) -> Iterator[bytes]:
    import zstandard  # noqa: PLC0415
    from lz4 import frame  # type: ignore[import-untyped]  # noqa: PLC0415 - it has no types

    if compression == "zstd":
        zstd = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True).compressobj()
        for chunk in _chunks(file):
            yield zstd.compress(chunk)
        yield zstd.flush()
    else:
        lz4 = frame.LZ4FrameCompressor(content_checksum=True)
        yield lz4.begin()
        for chunk in _chunks(file):
            yield lz4.compress(chunk)
        yield lz4.flush()


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


@contextlib.contextmanager
def _opened(path: Path, file: BinaryIO, compression: Compression) -> Iterator[BinaryIO]:
    """The content as a stream; what the libraries raise becomes Damaged."""
    import zstandard  # noqa: PLC0415
    from lz4 import frame  # noqa: PLC0415

    try:
        if compression == "zstd":
            yield zstandard.ZstdDecompressor().stream_reader(file)
        elif compression == "lz4":
            yield frame.open(file)
        else:
            yield file
    except (EOFError, RuntimeError, zstandard.ZstdError) as error:
        raise _damaged(path, error) from error


def _lz4_beginning(path: Path, file: BinaryIO, count: int) -> bytes:
    """By blocks: frame.open reads ahead far more than the one block that holds the beginning."""
    from lz4 import frame  # noqa: PLC0415

    decompressor, found = frame.LZ4FrameDecompressor(), b""
    try:
        while len(found) < count and (chunk := file.read(_FIRST_BLOCK)):
            found += decompressor.decompress(chunk, max_length=count - len(found))
    except (EOFError, RuntimeError) as error:
        raise _damaged(path, error) from error
    return found


def _damaged(path: Path, error: Exception) -> Damaged:
    return Damaged(
        f"{path} does not decompress: {error}.",
        remedy="Restore the file from a copy, or take a new base backup.",
    )
