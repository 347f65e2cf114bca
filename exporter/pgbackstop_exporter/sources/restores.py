"""The restores into one server, as the facts that its metrics need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from pgbackstop_catalog.store import packed_records
from pgbackstop_catalog.store.packed_records import RestoreDigest
from pgbackstop_exporter.snapshot import RestoreFacts
from pgbackstop_exporter.sources.record_folders import Records


class RestoreSource:
    """Reads one server's restores; ``facts`` by database are a new value whenever something changed."""

    def __init__(self, records: Records, server: str) -> None:
        self.facts: Mapping[str, RestoreFacts] = {}
        self._shelf = records.cache(server, packed_records.Restores())

    @property
    def problems(self) -> list[str]:
        """What was passed over, one sentence each."""
        return [str(each) for each in self._shelf.problems.values()]

    def refresh(self, *, thorough: bool) -> None:
        """Look for changes. Raises CatalogError; the facts then stay as they were."""
        if self._shelf.refresh(thorough=thorough):
            self.facts = _summarise(self._shelf.digests())


def _summarise(restores: Iterable[RestoreDigest]) -> dict[str, RestoreFacts]:
    found: dict[str, RestoreFacts] = {}
    for each in sorted(restores, key=lambda restore: restore.finished):
        known = found.get(each.database, RestoreFacts())
        if each.succeeded:
            known = replace(known, success=each.finished, duration=each.duration)
        elif each.finished:
            known = replace(known, failure=each.finished)
        found[each.database] = known
    return found
