"""WAL that no kept physical backup can need any more is removed: by the index, never by a file's name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pgbackstop_catalog.config.storage import FolderStorage
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.decisions.wal_needs import superfluous
from pgbackstop_runner.expire import wal_holds
from pgbackstop_runner.storage import identity, open, unknown_backups
from pgbackstop_runner.storage.protocol import StoreError
from pgbackstop_runner.system import log
from pgbackstop_runner.wal import index
from pgbackstop_runner.workspace import Workspace


def run(workspace: Workspace, server: str) -> tuple[int, tuple[str, ...]]:
    """Remove what is no longer needed of a server's archive; how many segments, and what went wrong."""
    archive = workspace.wal_archive(server)
    away = identity.absent(workspace, [workspace.wal_storage(server)])
    if away:
        return 0, tuple(f"{problem} Nothing of its WAL was judged." for problem in away.values())
    if not (archive / wal_segments.INDEX_NAME).exists():
        return 0, ()
    if unknown := unknown_to_catalog(workspace, server):
        return 0, unknown
    try:
        backups = workspace.catalog.physical_backups(server)
        entries = index.read(archive)
        names = superfluous(backups, (entry.name for entry in entries))
        holds = wal_holds.find(workspace, server, [each for each in entries if each.name in names])
        paths = index.remove(archive, names - holds.held) if names > holds.held else ()
    except OSError as error:
        return 0, (f"The WAL archive {archive} cannot be trimmed: {error.strerror or error}",)
    problems = [problem for path in paths for problem in _remove(archive, path)]
    problems += wal_holds.tell(workspace, server, holds)
    if paths:
        log.logger().info("expired WAL", server=server, segments=len(paths))
    return len(paths), tuple(problems)


def unknown_to_catalog(workspace: Workspace, server: str) -> tuple[str, ...]:
    """A sentence for each physical backup of the server that the catalog does not know, or cannot read.

    What it is built on, and the WAL that it needs, must not go because nobody speaks for it.
    """
    folders = {name for name, each in workspace.config.storages.items() if isinstance(each, FolderStorage)}
    there = sorted(folders - identity.absent(workspace, folders).keys())
    return tuple(sentence for name in there for sentence in _unknown(workspace, server, name))


def _unknown(workspace: Workspace, server: str, storage: str) -> Iterator[str]:
    known = workspace.catalog.physical_backups(server)
    try:
        store = open.open_store(storage, workspace.storage(storage))
        ids = unknown_backups.in_store(store, server, known)
    except StoreError as error:
        yield f"{error} Nothing that its backups may need is removed."
        return
    for each in ids:
        yield (
            f"Backup {each} in {storage} is not in the catalog, or its record cannot be read: nothing that "
            f"it may need is removed. 'pgbackstop catalog rebuild --storage {storage}' mends its record."
        )


def _remove(archive: Path, path: Path) -> Iterable[str]:
    try:
        if path.parent.resolve() != archive.resolve() / path.relative_to(archive).parent:
            return (f"{path} leads elsewhere by a symbolic link, and is left alone",)
        path.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        return (f"{path} cannot be removed: {error}",)
    return ()
