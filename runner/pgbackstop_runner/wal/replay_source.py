"""What a recovery replays of a WAL archive: which segments, and how far they lead."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.decisions.recovery import RecoveryPlan
from pgbackstop_catalog.decisions.wal_segments import Entry
from pgbackstop_runner.wal import segment_path
from pgbackstop_runner.wal.archive_reader import Archive

COPY_NAME = "pgbackstop_wal"
TOOLS = {".lz4": "lz4", ".zst": "zstd"}
_UNFINISHED = (wal_segments.RECEIVING_NAME, wal_segments.INCOMING_NAME, wal_segments.ASIDE_NAME)


def needed(chosen: RecoveryPlan, archive: Archive) -> tuple[Entry, ...]:
    """The archived segments that the replay will read, in order, as far as that is known before."""
    return _way(chosen, archive).entries if archive.holds_wal_of(chosen.backup) else ()


def require_reach(chosen: RecoveryPlan, archive: Archive) -> None:
    """Raises ValidationError for a position that the archive does not reach; others the window has told."""
    if chosen.target.kind != "lsn":
        return
    position = wal_segments.parse_lsn(chosen.target.value)
    end = reached(chosen, archive)
    if position > end:
        raise errors.ValidationError(
            f"{chosen.target.value} is after the last WAL that can be replayed.",
            remedy=f"From backup {chosen.backup.id} it goes to {wal_segments.format_lsn(end)}.",
        )


def require_tools(chosen: RecoveryPlan, archive: Archive) -> None:
    """Raises ValidationError where the tool that decompresses the archive is not in PATH."""
    names = [entry.path for entry in needed(chosen, archive)]
    names += [path.name for path in unfinished(archive.folder)]
    for suffix, tool in TOOLS.items():
        if any(suffix in name for name in names) and shutil.which(tool) is None:
            raise errors.ValidationError(
                f"{tool} is not installed, and the WAL archive is compressed with it.",
                remedy=f"Install {tool} on this host; nothing was touched.",
            )


def unfinished(folder: Path) -> Iterator[Path]:
    """Files of WAL that are not in their place yet: the newest segment, and completed ones that wait."""
    for name in _UNFINISHED:
        for path in sorted((folder / name).glob("[0-9A-F]*")):
            if wal_segments.SEGMENT_NAME.match(path.name) or wal_segments.HISTORY_NAME.fullmatch(path.name):
                yield path


def least_lsn(chosen: RecoveryPlan, archive: Archive) -> int:
    """A position, in bytes, that the replay of all there is must get beyond.

    Less means that a file could not be read, which PostgreSQL cannot tell from the end of the WAL.
    """
    size = archive.segment_bytes
    # A position on a segment's border may be its end or the next one's header.
    return (reached(chosen, archive) - 1) // size * size if needed(chosen, archive) else 0


def _way(chosen: RecoveryPlan, archive: Archive) -> segment_path.SegmentPath:
    return segment_path.find(chosen, archive.entries, archive.switches, archive.segment_bytes)


def reached(chosen: RecoveryPlan, archive: Archive) -> int:
    """The position up to which there is WAL without a break: archived, or received since."""
    end = _way(chosen, archive).end
    state = archive.state
    if state is None or state.received_lsn is None or state.timeline != chosen.timeline:
        return end
    received = wal_segments.parse_lsn(state.received_lsn)
    return received if end < received <= end + archive.segment_bytes else end
