"""Keeps what is known up to date: starts the collectors that a configuration asks for, holds their facts.

Everything here runs on the event loop, so no lock is needed; what may block runs in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import load
from pgbackstop_catalog.config.catalog_place import CatalogDatabase
from pgbackstop_catalog.config.discovered import Servers
from pgbackstop_catalog.config.server import Server
from pgbackstop_exporter import log, threads
from pgbackstop_exporter.collector import Collector
from pgbackstop_exporter.snapshot import (
    CATALOG,
    DISCOVERY,
    Health,
    Settings,
    Snapshot,
    disk_collector,
    postgres_collector,
)
from pgbackstop_exporter.sources import discovery, disks, stored_backups
from pgbackstop_exporter.sources.catalog import CatalogSource
from pgbackstop_exporter.sources.postgres import TIMEOUT_SECONDS, PostgresSource
from pgbackstop_exporter.sources.record_database import DatabaseRecords
from pgbackstop_exporter.sources.record_folders import FolderRecords
from pgbackstop_exporter.sources.stored_backups import StoredBackups

CATALOG_SECONDS: Final = 5.0  # a finished run is to be visible within 30 s
POSTGRES_SECONDS: Final = 15.0  # Prometheus' scrape interval
DISK_SECONDS: Final = 15.0
DISCOVERY_SECONDS: Final = 15.0
# In which not one more record was read; however many there are, the first look may take its time.
_CATALOG_TIMEOUT: Final = 30.0
_DISK_TIMEOUT: Final = 5.0


def read_settings(path: Path) -> Settings:
    """The configuration file as it is now. Raises ConfigError."""
    loaded = load.read(path)
    try:
        return Settings(
            config=loaded.config, seen_at=path.stat().st_mtime, discovered=loaded.origins.discovered
        )
    except OSError as error:
        raise errors.ConfigError(f"The configuration {path} is gone: {error.strerror}.") from error


class Supervisor:
    """The snapshot, and the collectors that renew it. ``changed`` is set whenever it differs."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self.snapshot = Snapshot(settings=settings)
        self.changed = asyncio.Event()
        self._path = path
        self._read_well = {"config": True, "web": True}
        self._running: dict[Hashable, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Start what the settings ask for and stop what they do not ask for any more."""
        wanted = self._wanted()
        for key in set(self._running) - set(wanted):
            self._running.pop(key).cancel()
        for key in set(wanted) - set(self._running):
            self._running[key] = asyncio.create_task(wanted[key]())
        self._forget()

    async def stop(self) -> None:
        """End every collector; threads that hang are left behind."""
        tasks = list(self._running.values())
        self._running.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def reload(self) -> str:
        """Read the configuration again; what is wrong with it, or nothing. A broken one changes nothing."""
        try:
            settings = await threads.run(partial(read_settings, self._path), name="reload")
        except (errors.ConfigError, OSError) as error:
            log.warning("kept the old configuration", problem=str(error))
            return self._refused(str(error))
        except Exception as error:
            log.bug("kept the old configuration", error)
            return self._refused(f"The configuration could not be read: {errors.one_line(error)}.")
        self._settle("config", settings, success=True)
        self.start()
        log.info("read the configuration", file=self._path)
        return ""

    def _refused(self, problem: str) -> str:
        self._settle("config", self.snapshot.settings, success=False)
        return problem

    def web_was_read(self, success: bool) -> None:
        """Whether the web configuration could last be read; only both files together are a success."""
        self._settle("web", self.snapshot.settings, success=success)

    def _settle(self, file: str, settings: Settings, *, success: bool) -> None:
        self._read_well[file] = success
        settings = replace(settings, reload_success=all(self._read_well.values()))
        self._update(replace(self.snapshot, settings=settings))

    def _wanted(self) -> dict[Hashable, Callable[[], Coroutine[None, None, None]]]:
        """A coroutine for each source, by all that it depends on: what is equal goes on undisturbed."""
        config = self.snapshot.settings.config
        place, state = config.catalog_place(), config.state_root()
        wanted: dict[Hashable, Callable[[], Coroutine[None, None, None]]] = {
            (CATALOG, str(place), state): partial(self._watch_catalog, place, state)
        }
        for name, server in config.servers.items():
            # Labels are no reason to connect anew.
            asked = server.model_dump_json(exclude={"labels", "group"})
            wanted[name, asked] = partial(self._watch_server, name, server)
        for path in disks.paths(config):
            wanted["disk", path, str(place)] = partial(self._watch_disk, path)
        if config.discovery:
            wanted[DISCOVERY, state] = self._watch_discovery
        return wanted

    async def _watch_catalog(self, place: Path | CatalogDatabase, state: Path) -> None:
        source = CatalogSource(
            FolderRecords(place) if isinstance(place, Path) else DatabaseRecords(place), state
        )

        async def read() -> None:
            try:
                await threads.run(source.refresh, name=CATALOG)
            finally:
                if source.facts is not None and source.facts != self.snapshot.catalog:
                    self._update(replace(self.snapshot, catalog=source.facts))

        await Collector(
            CATALOG,
            read,
            self._report,
            interval=CATALOG_SECONDS,
            timeout=_CATALOG_TIMEOUT,
            progress=lambda: source.looked_at,
        ).loop()

    async def _watch_server(self, name: str, server: Server) -> None:
        source = PostgresSource(server)

        async def read() -> None:
            facts = await source.read()
            self._update(replace(self.snapshot, servers={**self.snapshot.servers, name: facts}))

        try:
            limit = TIMEOUT_SECONDS + 1
            await self._loop(postgres_collector(name), read, interval=POSTGRES_SECONDS, limit=limit)
        finally:
            with suppress(Exception):
                await source.close()

    async def _watch_disk(self, path: str) -> None:
        name = disk_collector(path)
        stored = StoredBackups(Path(path), self.snapshot.settings.config.catalog_place())

        async def read() -> None:
            kept = stored_backups.kept(self.snapshot, path)
            marks = self.snapshot.catalog.storages if self.snapshot.catalog else {}
            look = partial(disks.look, self.snapshot.settings.config, path, stored, kept, marks)
            facts = await threads.run(look, name=name)
            self._update(replace(self.snapshot, disks={**self.snapshot.disks, path: facts}))

        await self._loop(name, read, interval=DISK_SECONDS, limit=_DISK_TIMEOUT)

    async def _watch_discovery(self) -> None:
        """Other servers than the configuration was read with have it read again, once for each change."""
        refused: Servers = {}

        async def read() -> None:
            nonlocal refused
            settings = self.snapshot.settings
            found = await threads.run(partial(discovery.read, settings.config, self._path), name=DISCOVERY)
            if found.facts != self.snapshot.discovery:
                self._update(replace(self.snapshot, discovery=found.facts))
            if found.servers not in (settings.discovered, refused) and await self.reload():
                refused = found.servers

        await self._loop(DISCOVERY, read, interval=DISCOVERY_SECONDS, limit=_DISK_TIMEOUT)

    async def _loop(
        self, name: str, action: Callable[[], Coroutine[None, None, None]], *, interval: float, limit: float
    ) -> None:
        collector = Collector(name, action, self._report, interval=interval, timeout=limit)
        await collector.loop()

    def _report(self, name: str, health: Health) -> None:
        """Health that only grew older is no change of the page's own families."""
        before = self.snapshot.health.get(name, Health())
        self.snapshot = replace(self.snapshot, health={**self.snapshot.health, name: health})
        if before.success != health.success or before.duration is None:
            self.changed.set()

    def _update(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.changed.set()

    def _forget(self) -> None:
        """Leave out what belongs to servers and disks that are configured no more."""
        config = self.snapshot.settings.config
        paths = disks.paths(config)
        names = {CATALOG, DISCOVERY, *map(postgres_collector, config.servers), *map(disk_collector, paths)}
        snapshot = self.snapshot
        self._update(
            replace(
                snapshot,
                servers={name: facts for name, facts in snapshot.servers.items() if name in config.servers},
                disks={path: facts for path, facts in snapshot.disks.items() if path in paths},
                health={name: health for name, health in snapshot.health.items() if name in names},
                discovery={
                    name: facts for name, facts in snapshot.discovery.items() if name in config.discovery
                },
            )
        )
