"""The audit: who did what in the console, one line of JSON each, in ``state/console-audit.jsonl``."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import format_time, utc_now
from pgbackstop_catalog.records import json_text
from pgbackstop_catalog.store import listing
from pgbackstop_runner.workspace import Workspace

_MOST_SHOWN = 200
_MOST_READ = 256 * 1024


def file_of(workspace: Workspace) -> Path:
    """Where the lines are; only ever appended to."""
    return workspace.state.scheduler.with_name("console-audit.jsonl")


@dataclass(frozen=True, kw_only=True)
class Deed:
    """Something that somebody did, or was kept from doing."""

    user: str
    address: str
    action: str
    subject: str = ""
    outcome: str = "done"


def write(workspace: Workspace, deed: Deed) -> None:
    """Append a line durably. Raises CatalogError: what cannot be audited must not be done."""
    line = json.dumps({"at": format_time(utc_now()), **vars(deed)}) + "\n"
    path = file_of(workspace)
    try:
        workspace.state.make(path.parent)
        number = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(number, "wb") as written:  # noqa: PTH123 - a descriptor
            written.write(f"\n{line}".encode() if _is_torn(number) else line.encode())
            written.flush()
            os.fsync(number)
    except OSError as error:
        raise errors.CatalogError(
            f"The audit cannot be written: {path}: {error.strerror}.",
            remedy="Nothing was started. Check the disk, the folder's owner and mode.",
        ) from error


def _is_torn(number: int) -> bool:
    """Whether the last line has no end, as of a disk that was full: what follows would belong to it."""
    size = os.fstat(number).st_size
    return size > 0 and os.pread(number, 1, size - 1) != b"\n"


def newest(workspace: Workspace) -> list[dict[str, Any]]:
    """The last lines, the newest first; what is no line of ours is left out. Raises CatalogError, OSError."""
    try:
        text = _end_of(file_of(workspace))
    except FileNotFoundError:
        listing.require_state(workspace.state.root)
        return []
    return list(reversed(deque(_lines(text), maxlen=_MOST_SHOWN)))


def _end_of(path: Path) -> str:
    with path.open("rb") as read:
        read.seek(max(0, read.seek(0, os.SEEK_END) - _MOST_READ))
        return read.read().decode(errors="replace")


def _lines(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        try:
            found = json_text.parse(line)
        except ValueError:
            continue
        if isinstance(found, dict) and found.keys() >= {"at", "user", "address", "action"}:
            yield found
