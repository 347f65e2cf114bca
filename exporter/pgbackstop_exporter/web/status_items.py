"""How servers, disks and the exporter itself stand, in words for people: pure, from the samples of a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pgbackstop_catalog import units
from pgbackstop_exporter.families.samples import Labels
from pgbackstop_exporter.metrics import exporter_metrics, server_metrics, storage_metrics
from pgbackstop_exporter.snapshot import Health
from pgbackstop_exporter.web import sample_index
from pgbackstop_exporter.web.sample_index import SampleIndex

_LOW_SHARE: Final = 0.1  # as the alert BackupDiskSpaceLow has it


@dataclass(frozen=True, kw_only=True)
class Item:
    """A server, a disk or a part of the exporter: what is to be known of it, and whether it is well."""

    name: str
    is_well: bool
    lines: tuple[str, ...]


def servers(known: SampleIndex) -> Iterator[Item]:
    """Every server: whether it answers, to which moments it can be recovered, how far its WAL is archived."""
    for where, names in known.each(
        server_metrics.POSTGRES_UP, server_metrics.EARLIEST, server_metrics.WAL_SEGMENTS
    ):
        up, missing = known.of(server_metrics.POSTGRES_UP, where), known.of(server_metrics.WAL_MISSING, where)
        answers = {None: "PostgreSQL was not asked yet", 0.0: "PostgreSQL does not answer"}
        lines = [answers.get(up, "PostgreSQL answers"), *_window(known, where)]
        lag = known.of(server_metrics.WAL_LAG, where)
        if lag is not None:
            lines.append(f"WAL is archived up to {sample_index.span(max(0.0, lag))} ago")
        if missing:
            lines.append(units.format_missing(missing, "WAL segment"))
        yield Item(name=names["server"], is_well=up != 0 and not missing, lines=tuple(lines))


def _window(known: SampleIndex, where: Labels) -> Iterator[str]:
    earliest, latest = known.of(server_metrics.EARLIEST, where), known.of(server_metrics.LATEST, where)
    if latest is None:
        return
    if not latest or not earliest:
        yield "cannot be recovered to any moment yet"
        return
    yield f"recoverable from {sample_index.moment(earliest)} to {sample_index.moment(latest)}"
    proven = known.of(server_metrics.PROVEN, where)
    yield f"proven until {sample_index.moment(proven)}" if proven else "no recovery has been proven"


def disks(known: SampleIndex) -> Iterator[Item]:
    """Every disk that could be looked at."""
    for where, names in known.each(storage_metrics.DISK_SIZE):
        free, size = (
            known.of(storage_metrics.DISK_FREE, where) or 0.0,
            known.of(storage_metrics.DISK_SIZE, where) or 0.0,
        )
        share = free / size if size else 1.0
        needed, readonly = (
            known.of(storage_metrics.DISK_NEXT_RUNS, where),
            known.of(storage_metrics.DISK_READONLY, where),
        )
        lines = [f"{units.format_size(free)} of {units.format_size(size)} are free ({share:.0%})"]
        if needed:
            lines.append(f"the next runs need about {units.format_size(needed)}")
        if readonly:
            lines.append("nobody can write to it")
        is_well = share >= _LOW_SHARE and not readonly and free >= (needed or 0.0)
        yield Item(name=names["path"], is_well=is_well, lines=tuple(lines))


def exporter(known: SampleIndex, health: Mapping[str, Health]) -> Iterator[Item]:
    """The scheduler, and whatever is wrong with what the exporter reads."""
    for name, found in sorted(health.items()):
        if found.error:
            read = f"last read {known.ago(found.last_success)}"
            yield Item(name=name, is_well=False, lines=(found.error, read))
    beat = known.own(exporter_metrics.HEARTBEAT)
    if beat:
        yield Item(name="scheduler", is_well=True, lines=(f"last seen {known.ago(beat)}",))
    bad, pending = known.own(exporter_metrics.CATALOG_BAD), known.own(exporter_metrics.PENDING)
    if bad:
        lines = (f"{bad:g} files are no records; the log names them",)
        yield Item(name="catalog", is_well=False, lines=lines)
    if pending:
        yield Item(name="notifications", is_well=False, lines=(f"{pending:g} wait to be delivered",))
    if known.own(exporter_metrics.RELOAD_SUCCESS) == 0:
        lines = ("a broken file was not taken over; the log says why",)
        yield Item(name="configuration", is_well=False, lines=lines)
