"""Which segments of a WAL archive are read again, what was read of it, and what was found. Pure.

A segment was hashed when it was archived, so that counts as its first reading. What was read is remembered by
stretches of names, one or a few for each night, and not by segments, of which an archive has thousands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from pgbackstop_catalog.decisions.wal_segments import Entry
from pgbackstop_catalog.model import Count, Model, UtcTime
from pgbackstop_catalog.records.attempt import Name

_NAME = r"^([0-9A-F]{24}|[0-9A-F]{8}\.history)$"


class WalReading(Model):
    """What was archived under the names from ``first`` to ``last``, both included, was read then."""

    first: str = Field(pattern=_NAME)
    last: str = Field(pattern=_NAME)
    read_at: UtcTime
    read_bytes: Count

    def covers(self, entry: Entry) -> bool:
        """Return whether that one was read, and not archived after it."""
        return self.first <= entry.name <= self.last and entry.archived_at <= self.read_at


class DamagedSegment(Model):
    """A segment that was read back and is not what was archived."""

    name: str = Field(pattern=_NAME)
    found_at: UtcTime
    problem: str = ""


class WalReadings(Model):
    """What was read back of a server's WAL archive, or of its copy in a further storage; one file for each,
    written by verify, and by the copier where it has mended something."""

    record_version: Literal[1] = 1
    kind: Literal["wal-readings"] = "wal-readings"
    server: Name
    storage: Name | None = Field(default=None, description="the further storage; the archive itself without")
    updated_at: UtcTime
    readings: tuple[WalReading, ...] = Field(default=(), description="the oldest first")
    damaged: tuple[DamagedSegment, ...] = ()
    oldest: UtcTime | None = Field(
        default=None, description="when that archived segment was read whose reading is the longest ago"
    )

    def spent(self, since: datetime) -> int:
        """Bytes that were read from then on."""
        return sum(each.read_bytes for each in self.readings if each.read_at >= since)


def last_read(entries: Iterable[Entry], known: WalReadings) -> dict[str, datetime]:
    """When each was last read, or archived."""
    newest_first = known.readings[::-1]
    return {
        each.name: next((one.read_at for one in newest_first if one.covers(each)), each.archived_at)
        for each in entries
    }


def due(
    entries: Mapping[str, Entry], known: WalReadings, *, interval: float, now: datetime
) -> Iterator[Entry]:
    """Those to be read: damaged ones, which somebody may have mended, then the longest not read first."""
    damaged = {each.name for each in known.damaged}
    yield from (entries[name] for name in sorted(damaged & entries.keys()))
    moments = sorted((moment, name) for name, moment in last_read(entries.values(), known).items())
    for moment, name in moments:
        if name not in damaged and now - moment >= timedelta(seconds=interval):
            yield entries[name]


def after(
    known: WalReadings,
    entries: Mapping[str, Entry],
    read: Iterable[Entry],
    found: Mapping[str, str],
    now: datetime,
) -> WalReadings:
    """What is known once these were read; ``found`` is what is wrong with those that are damaged.

    A stretch that newer ones cover, or of which nothing is archived any more, is forgotten.
    """
    done = {each.name: each for each in read}
    before = {each.name: each for each in known.damaged if each.name in entries and each.name not in done}
    told = {each.name: each.found_at for each in known.damaged}
    damaged = before | {
        name: DamagedSegment(name=name, found_at=told.get(name, now), problem=problem)
        for name, problem in found.items()
    }
    readings = (*known.readings, *_stretches(sorted(entries), done, now))
    needed = {_of(each, readings) for each in entries.values()}
    kept = tuple(each for number, each in enumerate(readings) if number in needed or _is_of_day(each, now))
    changed = known.evolve(
        readings=kept, damaged=tuple(damaged[name] for name in sorted(damaged)), updated_at=now
    )
    return changed.evolve(oldest=min(last_read(entries.values(), changed).values(), default=None))


def _stretches(names: list[str], read: Mapping[str, Entry], now: datetime) -> Iterator[WalReading]:
    """Runs of neighbours in the archive that were all read."""
    run: list[Entry] = []
    for name in names:
        if name in read:
            run.append(read[name])
        elif run:
            yield _stretch(run, now)
            run = []
    if run:
        yield _stretch(run, now)


def _stretch(run: list[Entry], now: datetime) -> WalReading:
    size = sum(each.size_bytes for each in run)
    return WalReading(first=run[0].name, last=run[-1].name, read_at=now, read_bytes=size)


def _of(entry: Entry, readings: tuple[WalReading, ...]) -> int:
    """The number of the newest stretch that covers it; -1 for none."""
    return next((n for n in range(len(readings) - 1, -1, -1) if readings[n].covers(entry)), -1)


def _is_of_day(reading: WalReading, now: datetime) -> bool:
    """Whether its bytes may still count for today, in whatever time zone."""
    return now - reading.read_at < timedelta(days=2)
