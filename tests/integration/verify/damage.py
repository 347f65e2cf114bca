"""Ways to damage a stored backup, and to make its record and SHA256SUMS say that nothing happened."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import zstandard

from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.backup import Backup
from tests.support.backups import Site

Damage = Callable[[Path], None]


def flip(path: Path) -> None:
    """One bit, in the middle, that says something else: zeros can be compressed in many ways."""
    content = path.read_bytes()
    plain = _plain(path.suffix, content)
    flipped = (_flipped(content, at) for at in range(len(content) // 2, len(content)))
    path.write_bytes(next(each for each in flipped if _plain(path.suffix, each) != plain))


def cut(path: Path) -> None:
    """The last byte."""
    path.write_bytes(path.read_bytes()[:-1])


def halve(path: Path) -> None:
    """The second half."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def remove(path: Path) -> None:
    path.unlink()


def cut_frame(path: Path) -> None:
    """A zstd frame that breaks off after half of its content, between two blocks: nothing else notices."""
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
    writer = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    content = writer.compress(plain[: len(plain) // 2])
    content += writer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    path.write_bytes(content)


def flip_content(path: Path) -> None:
    """One bit of what was compressed; the compressed file itself is whole, checksum and all."""
    content = path.read_bytes()
    if path.suffix == ".zst":
        plain = zstandard.ZstdDecompressor().decompressobj().decompress(content)
        changed = _flipped(plain, len(plain) // 2)
        path.write_bytes(zstandard.ZstdCompressor(write_checksum=True).compress(changed))
    elif path.suffix == ".gz":
        plain = gzip.decompress(content)
        path.write_bytes(gzip.compress(_flipped(plain, len(plain) // 2), compresslevel=1))
    else:
        path.write_bytes(_flipped(content, len(content) // 2))


def flip_wal(path: Path) -> None:
    """One bit of the first record of WAL that the backup needs; what follows the last is read by nobody."""
    span = json.loads((path.parent / "backup_manifest").read_bytes())["WAL-Ranges"][0]
    plain = bytearray(zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes()))
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        begin = min(
            (each for each in archive if len(each.name) == 24), key=lambda each: each.name
        ).offset_data
    header = 24  # of a record; its checksum covers what follows, too
    plain[
        begin + wal_segments.parse_lsn(span["Start-LSN"]) % wal_segments.DEFAULT_SEGMENT_BYTES + header + 2
    ] ^= 0x10
    path.write_bytes(zstandard.ZstdCompressor(write_checksum=True).compress(bytes(plain)))


def _flipped(content: bytes, at: int) -> bytes:
    changed = bytearray(content)
    changed[at] ^= 0x10
    return bytes(changed)


def _plain(suffix: str, content: bytes) -> bytes | None:
    """What was compressed; None where it can no longer be read."""
    try:
        if suffix == ".zst":
            return zstandard.ZstdDecompressor().decompressobj().decompress(content)
        return gzip.decompress(content) if suffix == ".gz" else content
    except (zstandard.ZstdError, OSError, EOFError, zlib.error):
        return None


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def record_again(site: Site, made: Backup) -> Backup:
    """The record, beside the bytes and in the catalog, and SHA256SUMS, as if the bytes had always been so."""
    folder = site.path(made)
    files = []
    for stored in made.files:
        path = folder / stored.path
        if path.exists():
            content = path.read_bytes()
            files.append(stored.evolve(size_bytes=len(content), sha256=sha256(content)))
    changed = made.evolve(files=tuple(files))
    (folder / "SHA256SUMS").write_text("".join(f"{each.sha256}  {each.path}\n" for each in files))
    (folder / "backup.json").write_bytes(codec.encode(changed))
    site.catalog.put(changed)
    return changed
