"""WAL in further storages: what is known of each, and which storages a server's WAL goes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import Field

from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.decisions.wal_segments import Entry, Segment, Switch, WalWindow
from pgbackstop_catalog.model import Count, Model, UtcTime
from pgbackstop_catalog.records.attempt import Name


class WalCopyState(Model):
    """How far the WAL of a server has come in one storage; one for each, written every few seconds."""

    record_version: Literal[1] = 1
    kind: Literal["wal-copy"] = "wal-copy"
    server: Name
    storage: Name
    status: Literal["waiting", "copying", "down", "stopped"]
    message: str = ""
    pid: Count | None = None
    started_at: UtcTime
    updated_at: UtcTime
    copied_at: UtcTime | None = Field(default=None, description="when the storage last took something")
    last_segment: str = Field(default="", description="the newest complete one in the storage")
    recoverable_until: UtcTime | None = Field(
        default=None, description="everything committed by then can be recovered from this storage alone"
    )
    segments: Count = Field(default=0, description="complete ones in the storage")
    stored_bytes: Count = 0
    pending_segments: Count = Field(default=0, description="archived, and not yet in the storage")
    missing_segments: Count = Field(
        default=0, description="between those in the storage, and not there; only a new base backup helps"
    )
    copied: Count = Field(default=0, description="segments sent since the first one; never falls")
    failures: Count = Field(default=0, description="never falls")
    conflicts: tuple[str, ...] = Field(
        default=(), description="segments that the storage has with other content; they are not replaced"
    )
    windows: tuple[WalWindow, ...] = Field(
        default=(), description="what can be recovered to from this storage alone; the oldest first"
    )


def storages(config: Config, server: str) -> tuple[str, ...]:
    """The storages that the WAL of a server goes to, besides the one that it is archived in.

    Those that its physical plans copy to, unless the server's own settings name others.
    """
    wal = config.servers[server].wal
    if not wal.enabled:
        return ()
    plans = (each for each in config.plans_of(server).values() if not each.is_logical)
    wanted = wal.copies if wal.copies is not None else [name for plan in plans for name in plan.copies]
    own = wal.storage or config.first_folder
    return tuple(dict.fromkeys(name for name in wanted if name != own))


def is_read_again(config: Config, storage: str) -> bool:
    """Whether WAL in that storage is read again by schedule: not where that may cost money."""
    return config.verify.enabled and config.storages[storage].verify


def missing(entries: Iterable[Entry], switches: Mapping[int, Switch], segment_bytes: int) -> int:
    """How many segments lack between those that a storage holds."""
    held = [Segment.parse(each.name, segment_bytes) for each in entries if each.is_segment]
    holes = wal_segments.missing(held, (), switches, segment_bytes)
    return sum(last.number - first.number + 1 for first, last in holes)
