"""A server's WAL archive in a further storage: the same names as in its folder, and the index in parts.

    backups/wal_archive/<server>/archive.json               whose WAL it is
    backups/wal_archive/<server>/<timeline>.history         and their lines in index.jsonl beside them
    backups/wal_archive/<server>/<16 digits>/<segment>.lz4
    backups/wal_archive/<server>/<16 digits>/index.jsonl    a line for each segment beside it
    backups/wal_archive/<server>/receiving/, aside/         the segment that is not complete yet
    backups/wal_archive/<server>/receiving/state.json       to which moment all of it reaches

A segment counts when its line is there, which is written after it and taken out before it. The folder,
downloaded by any tool, is an archive that restore-wal.sh reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.decisions.wal_segments import Entry, WalIdentity, WalSegment, WalState
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.store import atomic, layout, wal_index
from pgbackstop_runner.storage import fetched, hashed
from pgbackstop_runner.storage.protocol import ByteStore
from pgbackstop_runner.wal import segment_file

STATE = f"{wal_segments.RECEIVING_NAME}/{wal_segments.STATE_NAME}"
LANES = 4  # requests at once
_UNKNOWN = datetime.fromtimestamp(0, UTC)
LOOSE = (wal_segments.RECEIVING_NAME, wal_segments.ASIDE_NAME)


@dataclass(kw_only=True)
class StorageArchive:
    """What a storage holds of a server's WAL. Methods raise StoreError, CatalogError, OSError."""

    store: ByteStore
    folder: PurePosixPath
    identity: WalIdentity | None
    entries: dict[str, Entry]
    sizes: dict[str, int] = field(repr=False)
    state: WalState | None = None

    def path(self, relative: str) -> str:
        """A file's path in the storage."""
        return str(self.folder / relative)

    def write_index(self, parts: Iterable[str]) -> None:
        """Let these parts of the index say what ``entries`` says."""
        for part in sorted(set(parts)):
            lines = [_line(each) for each in self.entries.values() if part_of(each.name) == part]
            if lines:
                self.store.put_bytes(b"".join(lines), self.path(part))
            else:
                self.store.remove([self.path(part)])

    def is_there(self, entry: Entry) -> bool:
        """Whether the storage lists it, in its whole length."""
        return self.sizes.get(entry.path) == entry.there_bytes

    def download(self, relative: str, size_bytes: int, place: Path) -> str:
        """Write a file of that size in the storage to ``place``, or nothing; returns its content's SHA-256.

        A segment may have 1 GB: too much for one piece.
        """
        where = self.path(relative)
        try:
            with self.store.open(where, size_bytes) as opened, place.open("wb") as file:
                stream = hashed.reader(opened)
                while chunk := fetched.read_chunk(stream, where):
                    file.write(chunk)
        except BaseException:
            place.unlink(missing_ok=True)
            raise
        return stream.all_read().sha256

    def unlisted(self) -> dict[str, Entry]:
        """Segments that are there and have no line: a copier was killed, or an index was lost.

        They are whole, because files are stored whole or not at all; their hash is not known.
        """
        names = {path: segment_file.split(PurePosixPath(path).name)[0] for path in self.sizes}
        return {
            name: Entry(name, path, self.sizes[path], "", _UNKNOWN, None)
            for path, name in names.items()
            if wal_segments.SEGMENT_NAME.fullmatch(name)
            and str(PurePosixPath(path).parent) == name[:16]
            and name not in self.entries
        }


def part_of(name: str) -> str:
    """The part of the index that a segment, or a ``.history`` file, has its line in."""
    folder = f"{name[:16]}/" if wal_segments.SEGMENT_NAME.fullmatch(name) else ""
    return f"{folder}{wal_segments.INDEX_NAME}"


def fetch(store: ByteStore, server: str, mirror: Path, *, records_only: bool = False) -> StorageArchive:
    """Read what the storage says of its WAL into the folder ``mirror``: all but the segments themselves.

    ``records_only`` leaves out what PostgreSQL wrote, which may be encrypted: histories, unfinished segments.
    """
    folder = layout.wal_folder(server)
    # The state first: what it promises is in the files that are looked at after it.
    loose = {path for name in LOOSE for path, _size in store.files(str(folder / name))}
    state_path = str(folder / STATE)
    state = None
    if state_path in loose:
        state = codec.decode(WalState, store.read(state_path), where=state_path)
    sizes = {str(PurePosixPath(path).relative_to(folder)): size for path, size in store.files(str(folder))}
    names = [name for name in sizes if _is_record(name) or (not records_only and _is_small(name))]
    with ThreadPoolExecutor(LANES) as pool:
        contents = dict(zip(names, pool.map(store.read, (str(folder / name) for name in names)), strict=True))
    # Not before: what was known last stays while the storage is away.
    _write(mirror, contents)
    identity = contents.get(wal_segments.IDENTITY_NAME)
    return StorageArchive(
        store=store,
        folder=folder,
        identity=codec.decode(WalIdentity, identity, where=str(folder)) if identity is not None else None,
        entries=dict(wal_index.Index(mirror).refresh()),
        sizes=sizes,
        state=state,
    )


def _is_record(relative: str) -> bool:
    path = PurePosixPath(relative)
    return relative == wal_segments.IDENTITY_NAME or (_is_index(relative) and len(path.parts) <= 2)


def _is_small(relative: str) -> bool:
    path = PurePosixPath(relative)
    if str(path.parent) in LOOSE:
        return bool(wal_segments.SEGMENT_NAME.match(path.name)) and path.name.endswith(".partial")
    return bool(wal_segments.HISTORY_NAME.fullmatch(relative))


def _write(mirror: Path, contents: dict[str, bytes]) -> None:
    """One index of its parts, and the others under their names; nothing else is left.

    The index is there all the time: expire reads it, and would take one that lacks for an empty storage.
    """
    index = b"".join(_whole_lines(contents[name]) for name in sorted(contents) if _is_index(name))
    others = {name: content for name, content in contents.items() if not _is_index(name)}
    files = {**others, wal_segments.INDEX_NAME: index}
    for name, content in files.items():
        atomic.make_folder((mirror / name).parent)
        atomic.write(mirror / name, content, durable=False)
    for path in mirror.rglob("*"):
        if not path.is_dir() and str(path.relative_to(mirror)) not in files:
            path.unlink(missing_ok=True)


def _is_index(name: str) -> bool:
    return PurePosixPath(name).name == wal_segments.INDEX_NAME


def _whole_lines(content: bytes) -> bytes:
    return content if content.endswith(b"\n") or not content else content + b"\n"


def _line(entry: Entry) -> bytes:
    return WalSegment(**entry._asdict()).model_dump_json(exclude_none=True).encode() + b"\n"


def paths_of(path: str) -> Iterator[str]:
    """The paths that a segment may have, by how it is compressed."""
    parent = PurePosixPath(path).parent
    name, _compression = segment_file.split(PurePosixPath(path).name)
    for suffix in segment_file.SUFFIXES.values():
        yield str(parent / (name + suffix))
