"""A backup as a folder that a restore can read: its own, or what was fetched of a copy; all compared."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_catalog.text import said
from pgbackstop_runner.restore import verify_files
from pgbackstop_runner.storage import fetched, sources, stored_backup
from pgbackstop_runner.storage.sources import Source
from pgbackstop_runner.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class ReadableBackup:
    """The backup, the folder that has its files, and where its bytes are from."""

    backup: Backup
    folder: Path
    files: tuple[StoredFile, ...]
    source: Source

    @property
    def checked(self) -> str:
        """What was compared."""
        n, storage = len(self.files), self.source.storage
        if storage is None:
            return said("sha256 of {n} files", n=n)
        return said("sha256 of {n} files in {storage}", n=n, storage=storage)


@contextlib.contextmanager
def opened(
    workspace: Workspace, backup: Backup, wanted: str | None, *, within: Path | None = None
) -> Iterator[ReadableBackup]:
    """The nearest that is whole, or the one in the storage ``wanted``; ``within``: see ``fetched.folder``.

    Raises NotFound, AttemptFailed (corrupt, space), StoreError, CatalogError, ConfigError.
    """
    with contextlib.ExitStack() as stack:

        def read(source: Source) -> tuple[Path, tuple[StoredFile, ...]]:
            if source.storage is None:
                stored = stored_backup.find(workspace, backup)
                return stored.folder, verify_files.check(stored)
            return stack.enter_context(fetched.folder(workspace, backup, source.storage, within=within))

        candidates = sources.of_backup(workspace, backup, wanted)
        source, (folder, files) = sources.first_usable(
            f"Backup {backup.id}", backup.storage, candidates, read
        )
        yield ReadableBackup(backup=backup, folder=folder, files=files, source=source)
