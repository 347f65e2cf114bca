"""What a recovery replays of a WAL archive: which segments, whether they are whole, where they are read."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.decisions.recovery import RecoveryPlan
from pgbackstop_catalog.decisions.wal_segments import Entry
from pgbackstop_catalog.store import wal_index
from pgbackstop_runner.system import streams
from pgbackstop_runner.system.accounts import Account
from pgbackstop_runner.wal import segment_path, storage_download
from pgbackstop_runner.wal.archive_reader import Archive

COPY_NAME = "pgbackstop_wal"
TOOLS = {".lz4": "lz4", ".zst": "zstd"}
_UNFINISHED = (wal_segments.RECEIVING_NAME, wal_segments.INCOMING_NAME, wal_segments.ASIDE_NAME)
_ATTEMPTS = 5


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


def check(chosen: RecoveryPlan, archive: Archive) -> int:
    """Read every segment that is needed and compare its hash; returns their stored bytes.

    Raises CatalogError for one that is missing or damaged.
    """
    if archive.remote is not None:
        return storage_download.check(needed(chosen, archive), archive.remote, str(archive.storage))
    remedy = "Choose a target before it, or restore the file from a copy."
    total = 0
    for entry in needed(chosen, archive):
        path = archive.folder / entry.path
        try:
            stored = streams.digest(path, entry.path)
        except OSError as error:
            problem = f"WAL segment {entry.name} cannot be read: {path}: {error.strerror}."
            raise errors.CatalogError(problem, remedy=remedy) from error
        if stored.sha256 != entry.sha256:
            problem = f"WAL segment {entry.name} is damaged: {path} is not what was archived."
            raise errors.CatalogError(problem, remedy=remedy)
        total += stored.size_bytes
    return total


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


def for_account(chosen: RecoveryPlan, archive: Archive, data: Path, who: Account) -> Path:
    """The folder that the recovered server reads WAL from: the archive, or a copy where it may not read it.

    Root makes backups that only root can read, and steps down for the server. Raises OSError.
    """
    if not archive.holds_wal_of(chosen.backup) or _is_readable(chosen, archive, who):
        return archive.folder
    target = data / COPY_NAME
    wanted = needed(chosen, archive)
    small = [archive.folder / wal_segments.IDENTITY_NAME, *archive.folder.glob("*.history")]
    if archive.remote is not None:
        size = archive.segment_bytes
        storage_download.download(wanted, archive.remote, target, storage=str(archive.storage), size=size)
    else:
        small += [archive.folder / entry.path for entry in wanted]
    for path in small:
        _copy(path, target / path.relative_to(archive.folder))
    # While the server lives its newest segment is completed and put into its place under our eyes.
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(FileNotFoundError):
            _copy_unfinished(archive, target)
            break
    return target


def copied_bytes(chosen: RecoveryPlan, archive: Archive, who: Account) -> int:
    """Bytes that ``for_account`` will copy."""
    return (
        0 if _is_readable(chosen, archive, who) else sum(each.size_bytes for each in needed(chosen, archive))
    )


def _is_readable(chosen: RecoveryPlan, archive: Archive, who: Account) -> bool:
    if archive.remote is not None:
        return False
    last = [archive.folder / entry.path for entry in needed(chosen, archive)[-1:]]
    return not who.credentials or who.can_read(archive.folder / wal_segments.IDENTITY_NAME, *last)


def _copy_unfinished(archive: Archive, target: Path) -> None:
    before = dict(archive.entries)
    for path in unfinished(archive.folder):
        _copy(path, target / path.relative_to(archive.folder))
    for entry in wal_index.Index(archive.folder).refresh().values():
        if entry.name not in before:
            _copy(archive.folder / entry.path, target / entry.path)


def _copy(path: Path, place: Path) -> None:
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copyfile(path, place)


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
