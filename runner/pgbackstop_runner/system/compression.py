"""Stored bytes and plain ones: zstd, gzip, or as they are; the suffix of a file's name says which."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from pgbackstop_catalog.config.plan import Compression
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.system import streams


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The plain bytes of a stored file: .zst, .gz, or as it is."""
    with path.open("rb") as raw, decompressed(path.suffix, raw) as plain:
        yield plain


@contextmanager
def decompressed(suffix: str, stored: IO[bytes]) -> Iterator[IO[bytes]]:
    """The plain bytes of stored ones, by the suffix of their file's name. Raises AttemptFailed (corrupt)."""
    if suffix == ".zst":
        import zstandard  # noqa: PLC0415

        zstd = zstandard.ZstdDecompressor().stream_reader(stored, read_across_frames=True)
        with _whole(zstandard.ZstdError), zstd as reader:
            yield cast("IO[bytes]", reader)
    elif suffix == ".gz":
        from isal import igzip, isal_zlib  # noqa: PLC0415

        gzip = igzip.open(streams.Readable(stored), "rb")  # type: ignore[no-untyped-call] # isal types it by half
        broken = (igzip.BadGzipFile, isal_zlib.error, EOFError)
        with _whole(*broken), gzip as reader:  # type: ignore[arg-type] # isal types its error as a value
            yield cast("IO[bytes]", reader)
    else:
        yield stored


@contextmanager
def _whole(*broken: type[Exception]) -> Iterator[None]:
    try:
        yield
    except broken as error:
        raise AttemptFailed(Reason.CORRUPT, f"A stored file does not decompress: {error}.") from error


@contextlib.contextmanager
def compressed(target: streams.HashingFile, compression: Compression) -> Iterator[streams.Sink]:
    """A file to write plain bytes to, which arrive compressed in ``target``; closes the frame at the end.

    gzip is written by isal, which is ten times as fast as zlib at about its level 2.
    """
    if compression.method == "none":
        yield target
        return
    if compression.method == "gzip":
        from isal import igzip_threaded  # noqa: PLC0415 - only for those who ask for gzip

        threads = max(1, compression.workers)
        opened = igzip_threaded.open(cast("BinaryIO", target), "wb", compresslevel=1, threads=threads)  # type: ignore[no-untyped-call] # isal types it by half
        with opened as file:
            yield file
        return
    import zstandard  # noqa: PLC0415

    compressor = zstandard.ZstdCompressor(
        level=compression.level or DEFAULT_LEVELS["zstd"], threads=compression.workers, write_checksum=True
    )
    with compressor.stream_writer(cast("IO[bytes]", target), closefd=False) as writer:
        yield writer


SUFFIXES = {"zstd": ".zst", "gzip": ".gz", "none": ""}


DEFAULT_LEVELS = {"zstd": 3, "gzip": 6}
