"""The archive of one server: completed segments are taken in, checked, hashed, placed and indexed.

A segment is renamed to its final name first and indexed then, so that a line of the index never names
what is not there; a crash in between leaves a segment that ``adopt`` indexes at the next start. A name
that exists is never overwritten: the same content is success, different content is kept aside.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.decisions.wal_segments import Entry, Segment, WalConflict, WalIdentity, WalSegment
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.store import atomic
from pgbackstop_catalog.store.wal_index import Index
from pgbackstop_runner.wal import index, segment_file, segment_header

_STAMP = "%Y%m%dT%H%M%S%fZ"


@dataclass
class Batch:
    """What became of some completed files."""

    segments: list[WalSegment] = field(default_factory=list)
    conflicts: list[WalConflict] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)


@dataclass
class Archive:
    """A server's WAL archive in a folder. Methods raise OSError; no other process takes segments in."""

    root: Path
    identity: WalIdentity
    compression: segment_file.Compression = "lz4"
    covers_until: Callable[[int], datetime | None] = field(default=lambda _lsn: None)
    thorough: bool = False  # read each segment to its end: where it was not pg_receivewal that wrote it

    def __post_init__(self) -> None:
        self.index = Index(self.root)

    @property
    def receiving(self) -> Path:
        """Where pg_receivewal writes."""
        return self.root / wal_segments.RECEIVING_NAME

    @property
    def incoming(self) -> Path:
        """Where the archive_command puts segments."""
        return self.root / wal_segments.INCOMING_NAME

    def prepare(self) -> None:
        """Make the folders, and mend what a crash left."""
        for name in (
            wal_segments.RECEIVING_NAME,
            wal_segments.INCOMING_NAME,
            wal_segments.ASIDE_NAME,
            wal_segments.CONFLICTS_NAME,
        ):
            atomic.make_folder(self.root / name)
        with index.locked(self.root):  # expire's new index is a temporary file, too
            for folder in (self.root, self.receiving, *self._segment_folders()):
                atomic.sweep(folder)
        index.mend(self.root)
        self.index.refresh()

    def waiting(self, folder: Path) -> list[Path]:
        """Completed files in a folder, in the order of the WAL."""
        return sorted(
            Path(entry.path) for entry in os.scandir(folder) if _is_file(entry) and not self._is_marker(entry)
        )

    def take(self, sources: Iterable[Path]) -> Batch:
        """Take in completed files, with one fsync for the index and one for each folder."""
        batch, spent, folders = Batch(), list[Path](), set[Path]()
        for source in sources:
            taken = self._take_one(source, batch)
            if taken is not None:
                batch.segments.append(taken)
                folders |= {(self.root / taken.path).parent, source.parent}
            if source.exists():
                spent.append(source)
        for folder in folders:
            atomic.sync_folder(folder)
        if batch.segments:
            index.append(self.root, batch.segments)
        for source in spent:
            source.unlink()
        self.index.refresh()
        return batch

    def adopt(self) -> Batch:
        """Index what lies under its final name and is in no line: a crash came between the two.

        What lies before a break below the oldest segment is what expire could not delete, and stays out:
        it would only look like a gap.
        """
        batch = Batch()
        self.index.refresh()
        known = {entry.path for entry in self.index.entries.values()}
        oldest = min((segment.number for segment in self.segments()), default=None)
        for path in reversed(list(self.files())):
            number = self._number(path)
            if str(path.relative_to(self.root)) in known or _is_leftover(number, oldest):
                continue
            if not self._reject(path, batch):
                batch.segments.append(self._line(path, segment_file.stored(path)))
                oldest = number if oldest is None or number is None else min(oldest, number)
        batch.segments.reverse()
        if batch.segments:
            index.append(self.root, batch.segments)
            self.index.refresh()
        return batch

    def files(self) -> Iterator[Path]:
        """Every segment and ``.history`` file under its final name."""
        for folder in (self.root, *self._segment_folders()):
            yield from sorted(Path(entry.path) for entry in os.scandir(folder) if _is_file(entry))

    def lost(self) -> set[str]:
        """Names that the index has and no file: deleted behind our back. Looks at names only."""
        self.index.refresh()
        there = {str(path.relative_to(self.root)) for path in self.files()}
        return {entry.name for entry in self.index.entries.values() if entry.path not in there}

    def newest(self) -> Segment | None:
        """The newest segment of the newest timeline."""
        names = [entry.name for entry in self.index.entries.values() if entry.is_segment]
        return Segment.parse(max(names), self.identity.segment_bytes) if names else None

    def segments(self) -> list[Segment]:
        """All segments in the index."""
        size = self.identity.segment_bytes
        return [Segment.parse(entry.name, size) for entry in self.index.entries.values() if entry.is_segment]

    def switches(self) -> dict[int, wal_segments.Switch]:
        """Where each timeline left its parent."""
        return switches(self.root, self.index.entries.values())

    def conflicts(self) -> tuple[WalConflict, ...]:
        """What is kept in the folder of conflicts, the oldest first."""
        folder = self.root / wal_segments.CONFLICTS_NAME
        names = sorted(entry.name for entry in os.scandir(folder)) if folder.is_dir() else []
        parsed = (_conflict(name) for name in names)
        return tuple(sorted((each for each in parsed if each), key=lambda each: each.found_at))

    def _number(self, path: Path) -> int | None:
        name, size = segment_file.split(path.name)[0], self.identity.segment_bytes
        return Segment.parse(name, size).number if wal_segments.SEGMENT_NAME.fullmatch(name) else None

    def _take_one(self, source: Path, batch: Batch) -> WalSegment | None:
        if self._reject(source, batch):
            return None
        name, _ = segment_file.split(source.name)
        existing = self._existing(name)
        if existing is None:
            return self._place(source)
        if segment_file.digest(existing) == segment_file.digest(source):
            batch.repeated.append(name)
            indexed = name in self.index.entries
            return None if indexed else self._line(existing, segment_file.stored(existing))
        self._set_aside(source, batch)
        return None

    def _reject(self, source: Path, batch: Batch) -> bool:
        """Keep aside what is no segment of this archive, whatever its name says."""
        name, _ = segment_file.split(source.name)
        if not wal_segments.SEGMENT_NAME.fullmatch(name) or not self._problem(source, name):
            return False
        self._set_aside(source, batch)
        return True

    def _problem(self, source: Path, name: str) -> str:
        size = self.identity.segment_bytes
        try:
            head = segment_header.parse(segment_file.beginning(source, segment_header.BYTES))
            whole = segment_file.ends_whole(source) and (
                not self.thorough or segment_file.length(source) == size
            )
        except segment_file.Damaged as error:
            return error.problem
        if not whole:
            return "it is cut off"
        return segment_header.problem(head, Segment.parse(name, size), self.identity.system_identifier, size)

    def _place(self, source: Path) -> WalSegment:
        name, compressed = segment_file.split(source.name)
        if wal_segments.HISTORY_NAME.fullmatch(name):
            # Small, and read by people and by restore_command: never compressed.
            target = self.root / name
            atomic.write(target, segment_file.beginning(source, 2**20))
            return self._line(target, segment_file.stored(target))
        wanted = self.compression if compressed == "none" else compressed
        target = self.root / name[:16] / (name + segment_file.SUFFIXES[wanted])
        atomic.make_folder(target.parent)
        if wanted == compressed:
            bytes_stored = segment_file.stored(source)
            source.rename(target)
        else:
            temporary = atomic.temporary_beside(target)
            bytes_stored = segment_file.compress(source, temporary, wanted)
            temporary.rename(target)
        return self._line(target, bytes_stored)

    def _line(self, path: Path, bytes_stored: segment_file.Stored) -> WalSegment:
        name, _ = segment_file.split(path.name)
        covers = None
        if wal_segments.SEGMENT_NAME.fullmatch(name):
            end = Segment.parse(name, self.identity.segment_bytes).next().number * self.identity.segment_bytes
            covers = self.covers_until(end)
        return WalSegment(
            name=name,
            path=str(path.relative_to(self.root)),
            size_bytes=bytes_stored.size_bytes,
            sha256=bytes_stored.sha256,
            archived_at=utc_now(),
            covers_until=covers,
        )

    def _existing(self, name: str) -> Path | None:
        folder = self.root if wal_segments.HISTORY_NAME.fullmatch(name) else self.root / name[:16]
        paths = (folder / (name + suffix) for suffix in segment_file.SUFFIXES.values())
        return next((path for path in paths if path.exists()), None)

    def _set_aside(self, source: Path, batch: Batch) -> None:
        name, _ = segment_file.split(source.name)
        now = utc_now()
        target = self.root / wal_segments.CONFLICTS_NAME / f"{now.strftime(_STAMP)}-{source.name}"
        source.rename(target)
        atomic.sync_folder(target.parent)
        relative = str(target.relative_to(self.root))
        batch.conflicts.append(WalConflict(name=name, found_at=now, kept_as=relative))

    def _segment_folders(self) -> list[Path]:
        return sorted(Path(entry.path) for entry in os.scandir(self.root) if _is_segment_folder(entry))

    def _is_marker(self, entry: os.DirEntry[str]) -> bool:
        """The hole with a segment's name that tells pg_receivewal where to start (see ``stream``)."""
        return len(entry.name) == 24 and entry.stat(follow_symlinks=False).st_blocks == 0


def switches(root: Path, entries: Iterable[Entry]) -> dict[int, wal_segments.Switch]:
    """Where each timeline left its parent, from the ``.history`` files of an archive."""
    found: dict[int, wal_segments.Switch] = {}
    for entry in entries:
        if not entry.is_segment:
            with contextlib.suppress(OSError):
                switch = wal_segments.parse_history(segment_file.history_text(root / entry.path))
                if switch is not None:
                    found[int(entry.name[:8], 16)] = switch
    return found


def _is_leftover(number: int | None, oldest: int | None) -> bool:
    return number is not None and oldest is not None and number < oldest - 1


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether it is a complete segment or history; a pipe or a link may have such a name, too."""
    name, _ = segment_file.split(entry.name)
    is_complete = bool(wal_segments.SEGMENT_NAME.fullmatch(name) or wal_segments.HISTORY_NAME.fullmatch(name))
    return is_complete and entry.is_file(follow_symlinks=False)


def _is_segment_folder(entry: os.DirEntry[str]) -> bool:
    return len(entry.name) == 16 and wal_segments.SEGMENT_NAME.fullmatch(entry.name + "0" * 8) is not None


def _conflict(file_name: str) -> WalConflict | None:
    stamp, _, rest = file_name.partition("-")
    try:
        found_at = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None
    name, _ = segment_file.split(rest)
    return WalConflict(name=name, found_at=found_at, kept_as=f"{wal_segments.CONFLICTS_NAME}/{file_name}")
