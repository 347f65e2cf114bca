"""The WAL archive that follows a physical backup: hashed, decompressed, and how far it leads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import recovery, wal_segments
from pgbackstop_catalog.decisions.wal_segments import Entry, Segment
from pgbackstop_catalog.decisions.windows import Window
from pgbackstop_catalog.model import format_time
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.system import meter, phrases, streams
from pgbackstop_runner.wal import archive_reader, replay_source, segment_file
from pgbackstop_runner.wal.archive_reader import Archive
from pgbackstop_runner.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Reach:
    """What there is of WAL for one backup; ``entries`` are read, ``words`` say how far it leads."""

    archive: Archive
    entries: tuple[Entry, ...]
    words: str


def reach(workspace: Workspace, backup: Backup, *, whole: bool) -> Reach | None:
    """The segments of the backup's own time, or, where ``whole``, all that lead to the window's end.

    None where the archive holds nothing of the backup's system. Raises CatalogError, NotFound.
    """
    found = archive_reader.read(workspace, backup.server)
    if found.identity is None or not found.holds_wal_of(backup):
        return None
    known = archive_reader.known(workspace, backup.server, found)
    windows = [each for each in known.windows if _is_within(backup, each)]
    window = max(windows, key=lambda each: each.end, default=None)
    until = f"to {format_time(window.end)}: {window.reason}" if window else "nowhere"
    own = tuple(_own(backup, found))
    if not whole:
        return Reach(archive=found, entries=own, words=f"it leads {until}")
    try:
        chosen = recovery.choose(recovery.Target(kind="latest"), known, backup_id=backup.id)
    except (errors.ValidationError, errors.NotFound):
        return Reach(archive=found, entries=own, words=f"it leads {until}")
    wanted = {entry.name: entry for entry in (*own, *replay_source.needed(chosen, found))}
    return Reach(archive=found, entries=tuple(wanted.values()), words=f"it leads {until}")


def read(found: Reach, read_before: set[str], on_bytes: Callable[[int], None]) -> str:
    """Read each segment once: its hash, and its content to the end. Raises AttemptFailed (corrupt)."""
    wrong: list[str] = []
    unread = [entry for entry in found.entries if entry.path not in read_before]
    with meter.measured("read WAL", lambda: sum(entry.size_bytes for entry in unread)):
        for entry in unread:
            read_before.add(entry.path)
            wrong += _problems(found.archive, entry)
            on_bytes(entry.size_bytes)
    if wrong:
        raise AttemptFailed(
            Reason.CORRUPT,
            f"The WAL archive is damaged, the backup is not: {phrases.some(wrong, between='; ')}.",
            remedy="Restore the file from a copy, or make a new physical backup.",
        )
    return f"{len(found.entries)} segments as archived; {found.words}"


def _own(backup: Backup, found: Archive) -> Iterator[Entry]:
    """The archived segments from the backup's start to its stop; those that lack it brings itself."""
    if backup.start_lsn is None or backup.stop_lsn is None or backup.timeline is None:
        return
    size = found.segment_bytes
    first, stop = wal_segments.parse_lsn(backup.start_lsn) // size, wal_segments.parse_lsn(backup.stop_lsn)
    for number in range(first, max(0, stop - 1) // size + 1):
        entry = found.entries.get(Segment(timeline=backup.timeline, number=number).name(size))
        if entry is not None:
            yield entry


def damage(found: Archive, entry: Entry) -> str:
    """Why a segment is not what was archived; empty where it is. Raises OSError."""
    path = found.folder / entry.path
    try:
        if streams.digest(path, entry.path).sha256 != entry.sha256:
            return f"segment {entry.name} is not what was archived"
        if entry.is_segment and segment_file.length(path) != found.segment_bytes:
            return f"segment {entry.name} does not have its {found.segment_bytes} bytes"
    except segment_file.Damaged as error:
        return f"segment {entry.name}: {error.problem}"
    return ""


def _problems(found: Archive, entry: Entry) -> Iterable[str]:
    try:
        problem = damage(found, entry)
    except FileNotFoundError:
        problem = f"segment {entry.name} is missing"
    except OSError as error:
        problem = f"segment {entry.name} cannot be read ({error.strerror})"
    if problem:
        yield problem


def _is_within(backup: Backup, window: Window) -> bool:
    return window.start <= backup.recoverable_from <= window.end
