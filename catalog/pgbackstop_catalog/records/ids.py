"""Ids of records: they sort by time, and no process gives one twice."""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import StringConstraints

from pgbackstop_catalog import errors
from pgbackstop_catalog.text import said

BackupId = Annotated[str, StringConstraints(pattern=r"^\d{8}T\d{6}Z-[0-9a-f]{6}(?:[0-9a-f]{2})?$")]
# Within a process no id is given twice, not even for one moment, and processes begin where chance puts them.
_numbers: Final = [itertools.count(secrets.randbits(16))]
os.register_at_fork(after_in_child=lambda: _numbers.__setitem__(0, itertools.count(secrets.randbits(16))))


def begun_at(backup_id: str) -> datetime:
    """When a backup of that id began, to 16 microseconds. Raises ValueError for what is no id."""
    second = datetime.strptime(backup_id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return second.replace(microsecond=min(int(backup_id[17:21] or "0", 16) << 4, 999_999))


def new_id(moment: datetime) -> str:
    """An id that sorts by time, within a second as well: ``20261122T020000Z-5f3a9c04``.

    Four digits count 16 microseconds, up to the second's end; four tell ids of one moment apart.
    """
    utc = moment.astimezone(UTC)
    return f"{utc:%Y%m%dT%H%M%SZ}-{utc.microsecond >> 4:04x}{next(_numbers[0]) & 0xFFFF:04x}"


def require_one(backup_id: str, found: Sequence[str]) -> None:
    """Require one attempt alone whose id begins like this, of the ids that were found. Raises NotFound."""
    if not found:
        raise errors.NotFound(
            said("There is no backup {id!r}.", id=backup_id), remedy=said("See 'pgbackstop list'.")
        )
    if len(found) > 1:
        raise errors.NotFound(
            said(
                "{id!r} is the beginning of {n} backups ({some}).",
                id=backup_id,
                n=len(found),
                some=", ".join(found[:3]),
            ),
            remedy=said("Give more of the id."),
        )
