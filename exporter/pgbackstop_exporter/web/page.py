"""The page that is served: built in a thread whenever something changed, at most once a second."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from functools import partial
from typing import Final

from pgbackstop_exporter import log, threads
from pgbackstop_exporter.families import discovery, disks, plans, servers, wal_copies, workers
from pgbackstop_exporter.families.samples import Families
from pgbackstop_exporter.snapshot import Snapshot
from pgbackstop_exporter.supervisor import Supervisor
from pgbackstop_exporter.web.exposition import Form, Page

REVISION: Final = os.environ.get("PGBACKSTOP_REVISION", "")  # set where an image is built
_PAUSE_SECONDS: Final = 1.0
_REMEMBER_SECONDS: Final = 300.0


def build(snapshot: Snapshot, *, now: float) -> Families:
    """Every family of a snapshot except the health of collectors."""
    families = Families()
    plans.add(families, snapshot, now)
    servers.add_servers(families, snapshot)
    wal_copies.add_wal_copies(families, snapshot)
    disks.add(families, snapshot)
    discovery.add(families, snapshot)
    workers.add(families, snapshot)
    servers.add_self(families, snapshot, revision=REVISION)
    return families


class MetricsPages:
    """Holds the newest page of a watch."""

    def __init__(self, watch: Supervisor) -> None:
        self._watch = watch
        self._page = Page(build(watch.snapshot, now=time.time()), ())
        self._asked: dict[tuple[Form, bool], float] = {}
        self._building = asyncio.Lock()

    async def loop(self) -> None:
        """Rebuild the page whenever something changed."""
        while True:
            await self._watch.changed.wait()
            self._watch.changed.clear()
            try:
                await self.rebuild()
            except Exception as error:
                # The old page is served on, with ages that still grow.
                log.bug("the page could not be built", error)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def rebuild(self) -> None:
        """Build the page of the present snapshot, in the forms that were asked for lately."""
        async with self._building:
            since = time.monotonic() - _REMEMBER_SECONDS
            self._asked = {form: asked for form, asked in self._asked.items() if asked > since}
            work = partial(_built, self._watch.snapshot, tuple(self._asked))
            self._page = await threads.run(work, name="page")

    async def body(self, form: Form, *, compressed: bool) -> bytes:
        """The page as of now. Nothing but bytes is put together on the event loop."""
        self._asked[form, compressed] = time.monotonic()
        while not self._page.has(form, compressed=compressed):
            await self.rebuild()
        extra = Families()
        servers.add_health(extra, self._watch.snapshot)
        return self._page.body(form, extra=extra, now=time.time(), compressed=compressed)


def _built(snapshot: Snapshot, forms: tuple[tuple[Form, bool], ...]) -> Page:
    """A build makes very many values, none of them in a cycle, and drops them at its end.

    Left on, the collector of garbage would look through all of them in one go, and no scrape be answered
    meanwhile: 70 to 110 ms for a thousand plans.
    """
    gc.disable()
    try:
        return Page(build(snapshot, now=time.time()), forms)
    finally:
        gc.enable()
