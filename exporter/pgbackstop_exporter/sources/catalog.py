"""The catalog as a source: incremental, read-only, without a lock.

What cannot be read leaves what was known before: after an unreadable folder the facts are the old ones.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions.wal_copies import WalCopyState
from pgbackstop_catalog.decisions.wal_holds import WalHold
from pgbackstop_catalog.decisions.wal_readings import WalReadings
from pgbackstop_catalog.decisions.wal_segments import WalState
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.delivery import DeliveryFailures
from pgbackstop_catalog.records.scheduler import SchedulerState
from pgbackstop_catalog.store import folder
from pgbackstop_exporter import log
from pgbackstop_exporter.snapshot import CatalogFacts
from pgbackstop_exporter.sources import record_folders
from pgbackstop_exporter.sources.plan import PlanSource
from pgbackstop_exporter.sources.record_folders import FolderRecords, Records
from pgbackstop_exporter.sources.restores import RestoreSource
from pgbackstop_exporter.sources.state_file import StateFile, V

# How often files that should not change are looked at all the same: a person may have repaired one.
_THOROUGH_SECONDS: Final = 600.0


class CatalogSource:
    """Reads a catalog; for one thread at a time. ``facts`` is None until the first good look."""

    def __init__(self, records: Records, state: Path) -> None:
        """``state`` is the folder of the host's state, which is the catalog's where that is a folder."""
        self.facts: CatalogFacts | None = None
        self._records = records
        self._state = state
        self._plans: dict[str, PlanSource] = {}
        self._scheduler = StateFile(self._state / "state" / "scheduler.json", SchedulerState)
        self._wal: dict[str, StateFile[WalState]] = {}
        self._wal_readings: dict[str, StateFile[WalReadings]] = {}
        self._wal_copies: dict[tuple[str, str], StateFile[WalCopyState]] = {}
        self._wal_copy_readings: dict[tuple[str, str], StateFile[WalReadings]] = {}
        self._wal_holds: dict[tuple[str, str], StateFile[WalHold]] = {}
        self._restores: dict[str, RestoreSource] = {}
        self._thorough_at = time.monotonic()
        self._failures: dict[str, int] = {}
        self._told: frozenset[str] = frozenset()

    @classmethod
    def of_folder(cls, root: Path) -> CatalogSource:
        """That of a folder with its host's state in it."""
        return cls(FolderRecords(root), root)

    @property
    def looked_at(self) -> int:
        """How many records were looked at so far; may be asked while another thread refreshes."""
        return sum(source.looked_at for source in tuple(self._plans.values()))

    def refresh(self) -> CatalogFacts:
        """Look for changes. Raises CatalogError when a part cannot be read, after reading the others."""
        thorough = self._is_thorough()
        failed: list[errors.CatalogError] = []
        try:
            failed += self._records.run(lambda: self._refresh_records(thorough=thorough), thorough=thorough)
        except errors.CatalogError as error:
            if self.facts is None or self._records.storages is None:  # a folder has the state in it
                raise
            failed.append(error)
        failed += self._refresh_states()
        if failed and self.facts is None:
            raise failed[0]
        self.facts = self._facts()
        self._tell(frozenset(self._problems()))
        if failed:
            raise failed[0]
        return self.facts

    def _refresh_records(self, *, thorough: bool) -> list[errors.CatalogError]:
        plans = self._records.plans()
        for name in plans - set(self._plans):
            self._plans[name] = PlanSource(self._records, name)
        for name in set(self._plans) - plans:
            del self._plans[name]
        failed = _refreshed(self._plans.values(), thorough=thorough)
        for name in self._records.servers() - set(self._restores):
            self._restores[name] = RestoreSource(self._records, name)
        return failed + _refreshed(self._restores.values(), thorough=thorough)

    def _refresh_states(self) -> list[errors.CatalogError]:
        failed: list[errors.CatalogError] = []
        parent = self._state / "state" / "wal"
        for name in (record_folders.names(parent, files=True) or set()) - set(self._wal):
            self._wal[name] = StateFile(parent / f"{name}{folder.SUFFIX}", WalState)
        parent = self._state / "state" / "wal_readings"
        for name in (record_folders.names(parent, files=True) or set()) - set(self._wal_readings):
            self._wal_readings[name] = StateFile(parent / f"{name}{folder.SUFFIX}", WalReadings)
        _find(self._state / "state" / "wal_copies", self._wal_copies, WalCopyState)
        _find(self._state / "state" / "wal_copy_readings", self._wal_copy_readings, WalReadings)
        _find(self._state / "state" / "wal_holds", self._wal_holds, WalHold)
        for file in self._state_files():
            try:
                file.refresh()
            except errors.CatalogError as error:
                failed.append(error)
        return failed

    def _state_files(self) -> list[StateFile[Any]]:
        return [
            self._scheduler,
            *self._wal.values(),
            *self._wal_readings.values(),
            *self._wal_copies.values(),
            *self._wal_copy_readings.values(),
            *self._wal_holds.values(),
        ]

    def _facts(self) -> CatalogFacts:
        return CatalogFacts(
            plans={name: source.facts for name, source in self._plans.items()},
            wal=self._receivers(),
            wal_readings={name: file.value for name, file in self._wal_readings.items() if file.value},
            wal_copies={where: file.value for where, file in self._wal_copies.items() if file.value},
            wal_copy_readings={
                where: file.value for where, file in self._wal_copy_readings.items() if file.value
            },
            wal_holds={where: file.value for where, file in self._wal_holds.items() if file.value},
            restores={name: source.facts for name, source in self._restores.items()},
            storages=self._records.storages or {},
            fleet=self._records.fleet,
            scheduler=self._scheduler.value,
            pending=len(record_folders.names(self._state / "outbox", files=True) or ()),
            notification_failures=self._channel_failures(),
            unreadable=len(self._problems()),
        )

    def _receivers(self) -> dict[str, WalState]:
        """What is known newest of each: this host may have no worker that keeps what those of others know."""
        found = {name: file.value for name, file in self._wal.items() if file.value}
        told = self._records.fleet.wal if self._records.fleet else {}
        for name, state in told.items():
            if name not in found or found[name].updated_at < state.updated_at:
                found[name] = state
        return found

    def _channel_failures(self) -> dict[str, int]:
        """Failed deliveries by channel, as the runner counts them; the last known where it cannot be read."""
        with suppress(OSError, errors.CatalogError):
            self._failures = codec.read(DeliveryFailures, self._state / "outbox" / "tally.state").failures
        return self._failures

    def _problems(self) -> list[str]:
        return [
            *(problem for source in self._plans.values() for problem in source.problems),
            *(problem for source in self._restores.values() for problem in source.problems),
            *(problem for file in self._state_files() for problem in file.problems),
        ]

    def _tell(self, problems: frozenset[str]) -> None:
        for problem in sorted(problems - self._told):
            log.warning("passed over a file of the catalog", problem=problem)
        self._told = problems

    def _is_thorough(self) -> bool:
        if time.monotonic() - self._thorough_at < _THOROUGH_SECONDS:
            return False
        self._thorough_at = time.monotonic()
        return True


def _refreshed(sources: Iterable[PlanSource | RestoreSource], *, thorough: bool) -> list[errors.CatalogError]:
    """Why some of them could not be read."""
    failed: list[errors.CatalogError] = []
    for source in sources:
        try:
            source.refresh(thorough=thorough)
        except errors.CatalogError as error:
            failed.append(error)
    return failed


def _find(parent: Path, known: dict[tuple[str, str], StateFile[V]], kind: type[V]) -> None:
    """Add the files of each server and storage that are new."""
    for storage in record_folders.names(parent) or ():
        for server in record_folders.names(parent / storage, files=True) or ():
            if (server, storage) not in known:
                path = parent / storage / f"{server}{folder.SUFFIX}"
                known[server, storage] = StateFile(path, kind)
