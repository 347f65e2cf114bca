"""What a recovery is asked for, by a person or by a drill."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from pgbackstop_catalog.decisions.recovery import Target
from pgbackstop_runner.recover.data_directory import DataDirectory
from pgbackstop_runner.storage.sources import Source
from pgbackstop_runner.system.jail import Jail


@dataclass(frozen=True, kw_only=True)
class DrillOptions:
    """A recovery for a drill, which has a record of its own: ``step`` times each step of it.

    The server is reached through ``sockets`` alone, has ``settings`` besides, and dies with us in its
    ``jail``, outside of which is its ``log``.
    """

    sockets: Path
    log: Path
    jail: Jail
    settings: Mapping[str, str]
    step: Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True, kw_only=True)
class RecoveryRequest:
    """What a person asks for, or a drill. ``seconds`` is how long the replay may take.

    ``sources`` are where the bytes can be read, the nearest first.
    A server ``as_live`` loads what the live one does, workers of extensions too.
    """

    server: str
    target: Target
    place: DataDirectory
    sources: tuple[Source, ...]
    backup_id: str | None = None
    timeline: int | None = None
    start: bool = False
    port: int = 5433
    action: str = "promote"
    seconds: float = 86400.0
    check: bool = False
    as_live: bool = False
    throwaway: DrillOptions | None = None
