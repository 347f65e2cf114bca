"""PostgreSQL's backup manifest: what it says about a physical backup.

https://www.postgresql.org/docs/current/backup-manifest-format.html
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pgbackstop_catalog import regular_file
from pgbackstop_catalog.records import json_text
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner.failures import AttemptFailed

NAME = "backup_manifest"

_MOST_BYTES = 2**32  # of a server with ten million files


class WalRange(NamedTuple):
    """WAL that a backup needs to be consistent: several, where a standby changed its timeline meanwhile."""

    timeline: int
    start_lsn: str
    stop_lsn: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The part that a record keeps. ``files`` counts, ``data_bytes`` sums the files of the server.

    ``wal`` begins with the timeline on which the backup began.
    """

    wal: tuple[WalRange, ...]
    files: int
    data_bytes: int

    @property
    def timeline(self) -> int:
        return self.wal[-1].timeline

    @property
    def start_lsn(self) -> str:
        return self.wal[0].start_lsn

    @property
    def stop_lsn(self) -> str:
        return self.wal[-1].stop_lsn


def read(folder: Path) -> Manifest:
    """Read and check the manifest by its own checksum. Raises AttemptFailed (incomplete, corrupt)."""
    try:
        content = regular_file.read(folder / NAME, _MOST_BYTES)
    except OSError as error:
        raise _unreadable(error) from error
    return parse(content)


def parse(content: bytes) -> Manifest:
    """The same, of a manifest's bytes."""
    try:
        document = json_text.parse(content)
        files, ranges = document["Files"], document["WAL-Ranges"]
        found = Manifest(
            # The server lists the newest timeline first.
            wal=tuple(
                sorted(WalRange(each["Timeline"], each["Start-LSN"], each["End-LSN"]) for each in ranges)
            ),
            files=len(files),
            data_bytes=sum(each["Size"] for each in files),
        )
        checksum = document["Manifest-Checksum"]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise _unreadable(error) from error
    if not found.wal:
        raise AttemptFailed(Reason.INCOMPLETE, f"The {NAME} names no WAL.")
    # The checksum is over everything before the line that holds it.
    end = content.rindex(b"\n", 0, content.rindex(b'"Manifest-Checksum"')) + 1
    if hashlib.sha256(content[:end]).hexdigest() != checksum:
        raise AttemptFailed(Reason.CORRUPT, f"{NAME} does not match its own checksum.")
    return found


def paths(content: bytes) -> frozenset[str]:
    """The server's files that a manifest lists, but for names that are no UTF-8. Raises AttemptFailed."""
    try:
        return frozenset(each["Path"] for each in json_text.parse(content)["Files"] if "Path" in each)
    except (ValueError, KeyError, TypeError) as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> AttemptFailed:
    return AttemptFailed(Reason.INCOMPLETE, f"The backup has no readable {NAME}: {error}.")
