"""The page that is served: built in a thread whenever something changed, at most once a second."""

from __future__ import annotations

import asyncio
import os
import time
from functools import partial
from typing import Final

from pgbackstop_exporter import exposition, log, plan_families, server_families, threads
from pgbackstop_exporter.exposition import Form, Page
from pgbackstop_exporter.facts import Snapshot
from pgbackstop_exporter.families import Families
from pgbackstop_exporter.watch import Watch

REVISION: Final = os.environ.get("PGBACKSTOP_REVISION", "")  # set where an image is built
_PAUSE_SECONDS: Final = 1.0


def build(snapshot: Snapshot, *, now: float) -> Families:
    """Every family of a snapshot except the health of collectors."""
    families = Families()
    plan_families.add(families, snapshot, now)
    server_families.add_servers(families, snapshot)
    server_families.add_disks(families, snapshot)
    server_families.add_self(families, snapshot, revision=REVISION)
    return families


class Pages:
    """Holds the newest page of a watch."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._page = Page(build(watch.snapshot, now=time.time()))
        self._asked: set[tuple[Form, bool]] = set()

    async def loop(self) -> None:
        """Rebuild the page whenever something changed."""
        while True:
            await self._watch.changed.wait()
            self._watch.changed.clear()
            await self.rebuild()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def rebuild(self) -> None:
        """Build the page of the present snapshot, in the forms that were asked for so far."""
        work = partial(self._built, self._watch.snapshot, frozenset(self._asked))
        try:
            self._page = await threads.run(work, name="page")
        except Exception as error:
            # The old page is served on, with ages that still grow.
            log.bug("the page could not be built", error)

    async def body(self, form: Form, *, compressed: bool) -> bytes:
        """The page as of now. Nothing but bytes is put together on the event loop."""
        self._asked.add((form, compressed))
        page = self._page
        if not page.is_prepared(form, compressed=compressed):
            await threads.run(partial(page.prepare, form, compressed=compressed), name="page")
        extra = Families()
        server_families.add_health(extra, self._watch.snapshot)
        return page.body(form, extra=extra, now=time.time(), compressed=compressed)

    @staticmethod
    def _built(snapshot: Snapshot, asked: frozenset[tuple[Form, bool]]) -> Page:
        page = exposition.Page(build(snapshot, now=time.time()))
        for form, compressed in asked:
            page.prepare(form, compressed=compressed)
        return page
