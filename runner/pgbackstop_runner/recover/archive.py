"""A server's WAL archive as recovery sees it: what is there, what is needed, and whether it is whole."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pgbackstop_catalog import codec, errors, wal, wal_index, window
from pgbackstop_catalog.records import Backup
from pgbackstop_catalog.recovery import RecoveryPlan
from pgbackstop_catalog.wal import Segment, WalState
from pgbackstop_catalog.wal_index import Entry
from pgbackstop_catalog.window import Window
from pgbackstop_runner import stream
from pgbackstop_runner.account import Account
from pgbackstop_runner.workspace import Workspace

COPY_NAME = "pgbackstop_wal"


@dataclass(frozen=True, kw_only=True)
class Archive:
    """The folder, its index, what the receiver last said, and where timelines left each other."""

    folder: Path
    entries: Mapping[str, Entry]
    state: WalState | None
    switches: Mapping[int, wal.Switch]

    @property
    def segment_bytes(self) -> int:
        return self.state.segment_bytes if self.state else wal.DEFAULT_SEGMENT_BYTES

    def number(self, entry: Entry) -> int:
        """The segment's number; neighbours differ by one."""
        return Segment.parse(entry.name, self.segment_bytes).number


def read(workspace: Workspace, server: str) -> Archive:
    """Read the archive's index, its histories and the receiver's state. Raises CatalogError, NotFound."""
    workspace.server(server)
    folder = workspace.wal_archive(server)
    try:
        entries = dict(wal_index.Index(folder).refresh())
        histories = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.history")}
    except OSError as error:
        raise errors.CatalogError(
            f"The WAL archive cannot be read: {folder}: {error.strerror}.",
            remedy="Check its owner, mode and mount.",
        ) from error
    switches = {int(stem, 16): wal.parse_history(text) for stem, text in histories.items()}
    file = workspace.catalog.root / "state" / "wal" / f"{server}.json"
    return Archive(
        folder=folder,
        entries=entries,
        state=codec.decode(WalState, file.read_bytes(), where=str(file)) if file.exists() else None,
        switches={timeline: switch for timeline, switch in switches.items() if switch is not None},
    )


def backups(workspace: Workspace, server: str) -> list[Backup]:
    """The server's physical backups, of all plans."""
    every = workspace.catalog.backups()
    return [each for each in every if each.server == server and each.backup_type == "physical"]


def windows(workspace: Workspace, server: str, archive: Archive) -> tuple[Window, ...]:
    """The recovery windows of a server."""
    entries = archive.entries.values()
    return window.windows(backups(workspace, server), entries, archive.state, archive.switches)


def needed(chosen: RecoveryPlan, archive: Archive) -> tuple[Entry, ...]:
    """The archived segments that the replay will read, in order, as far as that is known before."""
    if chosen.target.kind == "immediate" or chosen.backup.start_lsn is None:
        return ()
    first = wal.parse_lsn(chosen.backup.start_lsn) // archive.segment_bytes
    segments = (entry for entry in archive.entries.values() if entry.is_segment)
    found = sorted((each for each in segments if archive.number(each) >= first), key=archive.number)
    moment = chosen.target.moment
    return tuple(found) if moment is None else tuple(_until(found, moment))


def check(chosen: RecoveryPlan, archive: Archive) -> int:
    """Read every segment that is needed and compare its hash; returns their stored bytes.

    Raises CatalogError for one that is missing or damaged.
    """
    remedy = "Choose a target before it, or restore the file from a copy."
    total = 0
    for entry in needed(chosen, archive):
        path = archive.folder / entry.path
        try:
            stored = stream.digest(path, entry.path)
        except OSError as error:
            problem = f"WAL segment {entry.name} cannot be read: {path}: {error.strerror}."
            raise errors.CatalogError(problem, remedy=remedy) from error
        if stored.sha256 != entry.sha256:
            problem = f"WAL segment {entry.name} is damaged: {path} is not what was archived."
            raise errors.CatalogError(problem, remedy=remedy)
        total += stored.size_bytes
    return total


def for_account(chosen: RecoveryPlan, archive: Archive, data: Path, who: Account) -> Path:
    """The folder that the recovered server reads WAL from: the archive, or a copy where it may not read it.

    Root makes backups that only root can read, and steps down for the server. Raises OSError.
    """
    if not who.credentials:
        return archive.folder
    target = data / COPY_NAME
    wanted = [archive.folder / entry.path for entry in needed(chosen, archive)]
    wanted += [archive.folder / wal.IDENTITY_NAME, *archive.folder.glob("*.history")]
    for name in (wal.RECEIVING_NAME, wal.ASIDE_NAME):
        wanted += (archive.folder / name).glob("*")
    for path in wanted:
        place = target / path.relative_to(archive.folder)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    return target


def least_lsn(chosen: RecoveryPlan, archive: Archive) -> int:
    """A position, in bytes, that the replay of all there is must get beyond.

    Less means that a file could not be read, which PostgreSQL cannot tell from the end of the WAL.
    """
    size = archive.segment_bytes
    found = needed(chosen, archive)
    least = archive.number(found[-1]) * size if found else 0
    live = chosen.window is not None and chosen.window.ends == "received"
    if live and archive.state is not None and archive.state.received_lsn is not None:
        received = wal.parse_lsn(archive.state.received_lsn)
        # A position on a segment's border may be its end or the next one's header.
        least = max(least, (received - 1) // size * size)
    return least


def _until(found: list[Entry], moment: datetime) -> list[Entry]:
    """Up to and with the first segment that is known to reach beyond the moment."""
    reaches = (entry.covers_until is not None and entry.covers_until > moment for entry in found)
    beyond = next((place for place, reached in enumerate(reaches) if reached), len(found))
    return found[: beyond + 1]
