"""Summaries that were read already: a console shows the same ones many times, and few of them change."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pgbackstop_catalog import errors
from pgbackstop_catalog.store import listing, summary
from pgbackstop_catalog.store.read_files import ReadFiles
from pgbackstop_catalog.store.summary import BackupSummary

# How long a folder that has not moved is trusted: to look at 10,000 files takes 60 ms.
TRUSTED_SECONDS: Final = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Folder:
    """The files of a folder, the newest first, and what was read of them since it was listed.

    ``changed_ns`` is when it was changed last; None where another change may have left that time as it is.
    """

    changed_ns: int | None
    listed_at: float
    files: Sequence[tuple[str, Path]]
    read: dict[str, BackupSummary] = field(default_factory=dict)


class KnownSummaries:
    """At most ``most`` of them at hand, and as many, read last, whose files are looked at; for all threads.

    A record that comes, goes or is replaced moves the time of its folder, and is seen at once; what was
    written in its place, within a minute.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._files: ReadFiles[BackupSummary] = ReadFiles(most=most, weigh=lambda _size: 1)
        self._folders: dict[Path, _Folder] = {}

    def summaries(
        self,
        folders: Sequence[Path],
        on_invalid_record: Callable[[errors.CatalogError], None],
        *,
        before: str = "",
    ) -> Iterator[BackupSummary]:
        """The attempts in these folders, the newest first, with ids below ``before``; raises as summary.read.

        Of a file it reads no more than who iterates gets to.
        """
        known = {each: self._listed(each) for each in folders}
        room = self._most - sum(len(each.read) for each in list(self._folders.values()))
        for name, folder in heapq.merge(*(each.files for each in known.values()), reverse=True):
            if before and name.removesuffix(listing.SUFFIX) >= before:
                continue
            read = known[folder].read
            if name in read:
                yield read[name]
                continue
            for found in summary.read((folder / name,), on_invalid_record, self._files):
                if room > 0:
                    read[name], room = found, room - 1
                yield found

    def _listed(self, folder: Path) -> _Folder:
        """The folder as it was listed, or as it is. Raises CatalogError."""
        try:
            changed_ns = folder.stat().st_mtime_ns
        except OSError as error:
            raise listing.unreadable(folder, error) from error
        known, now = self._folders.get(folder), time.monotonic()
        if known is not None and known.changed_ns == changed_ns and now - known.listed_at < TRUSTED_SECONDS:
            return known
        files = [(name, folder) for name in sorted(listing.names(folder), reverse=True)]
        settled_ns = None if listing.is_young(changed_ns) else changed_ns
        self._folders[folder] = found = _Folder(changed_ns=settled_ns, listed_at=now, files=files)
        return found
