"""The demo's one screen, 80 columns wide and at most 24 lines high: pure, from facts to lines."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pgbackstop_catalog import units
from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.decisions.wal_segments import WalState
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup

WIDTH = 80
HEIGHT = 24
_WORDS_OF_THE_DEAD = 3  # lines
_RIGHT = {"SIZE", "TOOK"}


@dataclass(frozen=True, kw_only=True)
class View:
    """All that the screen shows. Times are UTC, sizes bytes."""

    version: str
    address: str
    database_bytes: int | None
    orders: int
    newest: Sequence[Backup]
    wal: WalState | None
    window: tuple[datetime, datetime] | None
    next_runs: Sequence[tuple[str, datetime]]
    literal: Sequence[tuple[str, float]]  # empty where the exporter does not answer
    addresses: Sequence[tuple[str, str]]
    commands: Sequence[str]
    folder: str
    problems: Sequence[str] = ()


def lines(view: View) -> list[str]:
    """The screen."""
    return _fitted(
        [
            _head(view),
            *(line for problem in view.problems for line in _wrapped(f"! {problem}")),
            "",
            *_aligned([_titles(view.folder), *map(_row, view.newest), _wal_row(view.wal)]),
            "",
            _recovery(view),
            *_next(view.next_runs),
            "",
            *(f"{name:<13} {address}" for name, address in view.addresses),
            *_literal(view.literal),
            "",
            "Try in another terminal:",
            *(f"  {command}" for command in view.commands),
            "",
            f"Ctrl-C stops everything, the next run continues. Logs: {view.folder}logs/",
        ]
    )


def _fitted(found: list[str]) -> list[str]:
    """What a small terminal can show, with a line for the cursor: empty lines go first, from above."""
    while len(found) >= HEIGHT and "" in found:
        found.remove("")
    return found


def newest(backups: Sequence[Backup]) -> list[Backup]:
    """The last attempt for each plan and database; ``backups`` is the newest first."""
    found: dict[tuple[str, str], Backup] = {}
    for backup in backups:
        found.setdefault((backup.plan, backup.database), backup)
    return [found[key] for key in sorted(found)]


def next_runs(config: Config, now: datetime) -> list[tuple[str, datetime]]:
    """When each plan is due next."""
    return [
        (name, plan.effective_schedule().next_after(now))
        for name, plan in config.plans.items()
        if plan.enabled
    ]


def _head(view: View) -> str:
    size = f" of {units.format_size(view.database_bytes)}" if view.database_bytes else ""
    return f"PostgreSQL {view.version} at {view.address}: a shop{size}, {view.orders} new orders so far"


def _titles(folder: str) -> tuple[str, ...]:
    return ("BACKUP", "DATABASE", "AT (UTC)", "SIZE", "TOOK", f"IN {folder}backups/")


def _row(backup: Backup) -> tuple[str, ...]:
    if backup.status is not Status.SUCCEEDED:
        return (backup.plan, _of(backup), _clock(backup.started_at), "", "", str(backup.status))
    return (
        backup.plan,
        _of(backup),
        _clock(backup.finished_at),
        units.format_size(backup.size_bytes or 0),
        units.format_duration(backup.duration_seconds or 0.0),
        _place(backup.location or ""),
    )


def _of(backup: Backup) -> str:
    return backup.database if backup.backup_type == "logical" else "all"


def _wal_row(state: WalState | None) -> tuple[str, ...]:
    if state is None:
        return ("WAL", "all", "", "", "", "not received yet")
    size = units.format_size(state.archive_bytes)
    place = f"wal_archive/{state.server}/"
    return (f"WAL {state.status}", "all", _clock(state.last_received_at), size, "", place)


def _place(location: str) -> str:
    """Without the first folder, which is named once, and the last, which is the id."""
    return "/".join(location.split("/")[1:-1]) + "/"


def _recovery(view: View) -> str:
    if view.window is None and not view.literal:
        return "Recovery window: not known, because the exporter does not answer."
    if view.window is None:
        return "Recovery window: not yet; it opens with a physical backup and the WAL after it."
    first, last = view.window
    length = units.format_duration((last - first).total_seconds())
    return f"Recovery window: any moment from {_clock(first)} to {_clock(last)} UTC, {length} long."


def _next(runs: Sequence[tuple[str, datetime]]) -> list[str]:
    words = ", ".join(f"{name} {due:%a %H:%M}" for name, due in runs)
    return [f"Next runs: {words} UTC."] if words else []


def _literal(values: Sequence[tuple[str, float]]) -> list[str]:
    """The metrics of the specification by their literal names, below the address where they can be read."""
    words = ", ".join(f"{name} {value:.12g}" for name, value in values)
    return textwrap.wrap(words, WIDTH, initial_indent=" " * 14, subsequent_indent=" " * 14)


def _wrapped(problem: str) -> list[str]:
    return textwrap.wrap(
        problem, WIDTH, subsequent_indent="  ", max_lines=_WORDS_OF_THE_DEAD, placeholder=" …"
    )


def _clock(moment: datetime | None) -> str:
    return f"{moment:%H:%M:%S}" if moment else ""


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if title in _RIGHT else cell.ljust(width)
            for cell, width, title in zip(row, widths, rows[0], strict=True)
        ).rstrip()
        for row in rows
    ]
