"""Replaying to the end: what is done when PostgreSQL stops before it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pgbackstop_catalog import errors, regular_file
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.decisions.recovery import RecoveryPlan
from pgbackstop_catalog.model import format_time
from pgbackstop_runner.postgres import (
    control_data,
    loaded_libraries,
    private_server,
    recovery_log,
    refused_settings,
)
from pgbackstop_runner.postgres.private_server import PrivateServer, Progress
from pgbackstop_runner.recover import server_settings
from pgbackstop_runner.recover.data_directory import DataDirectory
from pgbackstop_runner.system import log, meter
from pgbackstop_runner.wal import replay_source
from pgbackstop_runner.wal.archive_reader import Archive
from pgbackstop_runner.wal.replay_segments import ReplaySegments

_MOST_OF_LABEL = 100_000
_RESTARTS = 20  # each for a limit that the live server raised once more


@dataclass(kw_only=True)
class RecoveryRun:
    """What the steps after planning share. ``wal_folder`` is where the recovered server reads WAL from.

    ``throwaway`` are the settings of a drill's server; None for any other, which loads what it loaded where
    it is to be ``as_live``, and else nothing. ``refused`` are the settings of the live server that this host
    does not take.
    """

    plan: RecoveryPlan
    archive: Archive
    segments: ReplaySegments
    place: DataDirectory
    recovered: PrivateServer
    action: str
    by_hand: bool
    seconds: float
    throwaway: Mapping[str, str] | None = None
    as_live: bool = False
    wal_folder: Path = field(default=Path())
    refused: frozenset[str] = frozenset()


def write_settings(work: RecoveryRun, *, exact_target: bool) -> None:
    """Tell the server what to do, with the limits that its control file has now.

    As the server's account: what it has done to its folder meanwhile leads nobody elsewhere.
    """
    with work.recovered.who.acting():
        _write_settings(work, exact_target=exact_target)


def _write_settings(work: RecoveryRun, *, exact_target: bool) -> None:
    data, recovered, source = work.place.data, work.recovered, work.archive
    wal_from = server_settings.NOTHING_ARCHIVED
    if source.holds_wal_of(work.plan.backup):
        script = server_settings.install_script(data)
        wal_from = server_settings.fetching(script, work.wal_folder, source.segment_bytes)
    if work.plan.target.kind == "immediate" and work.action != "pause" and _ends_its_wal(data):
        wal_from, exact_target = server_settings.NOTHING_ARCHIVED, False
    lines = server_settings.recovery(
        work.plan,
        wal_from=wal_from,
        controls=control_data.read(recovered.programs, data),
        action=work.action,
        exact_target=exact_target,
    )
    if work.by_hand and work.action != "pause":
        # Nobody is there to raise a limit in the middle; without queries in between none is compared.
        lines["hot_standby"] = "off"
    hba = server_settings.write_hba(data)
    major = recovered.programs.major
    beside = server_settings.beside(recovered.port, recovered.socket_folder, hba, major)
    loads = {} if work.as_live else loaded_libraries.none_at_all(major)
    everything = {**lines, **beside, **loads, **(work.throwaway or {})}
    # What was missed in a file outdoes nothing on the command line.
    recovered.options = server_settings.pinned(data) | (loads if work.throwaway is None else everything)
    server_settings.write(data, everything, includes=work.as_live, refused=work.refused)
    while more := refused_settings.find(recovered.programs, data, recovered.options) - work.refused:
        work.refused |= more
        _require_taken(work)
        server_settings.write(data, everything, includes=work.as_live, refused=work.refused)


def _require_taken(work: RecoveryRun) -> None:
    """Raises ValidationError where the server is to be as the live one, and this host refuses that."""
    if work.as_live:
        raise errors.ValidationError(
            f"This host refuses settings of the live server: {', '.join(sorted(work.refused))}.",
            remedy="Give it the locales, time zones and limits that they name, or leave --as-live out: then "
            "they are at their defaults.",
        )


def _ends_its_wal(data: Path) -> bool:
    """Whether the backup is of a standby, whose end is no record but where the standby had come to.

    PostgreSQL stops at recovery_target = immediate when it meets a record after the end, and on an idle
    server there is none. All that such a backup has of WAL is as far as it is to go.
    """
    for name in ("backup_label", "backup_label.old"):  # the other once it was started
        with contextlib.suppress(OSError):
            return b"\nBACKUP FROM: standby\n" in regular_file.read(data / name, _MOST_OF_LABEL)
    return False


def replay_all(
    work: RecoveryRun, on_step: Callable[[str], None], on_progress: Callable[[str, float], None]
) -> Progress:
    """Start, and watch to the end. Raises PgbackstopError; the server is stopped then."""
    try:
        progress = _watch(work, on_step, on_progress, exact_target=True)
    except recovery_log.NotReached:
        if work.plan.target.kind != "time":
            raise
        # The window covers the moment, so all that was committed before it is in the archive; where the
        # replay finds nothing after it, all of the archive is exactly the state at that moment.
        on_step("nothing was committed after the target: replaying all of the archive")
        write_settings(work, exact_target=False)
        progress = _watch(work, on_step, on_progress, exact_target=False)
        _require_not_beyond(work, progress)
        _require_all(work, progress)
    if work.plan.target.kind == "latest":
        _require_all(work, progress)
    return progress


def _watch(
    work: RecoveryRun,
    on_step: Callable[[str], None],
    on_progress: Callable[[str, float], None],
    *,
    exact_target: bool,
) -> Progress:
    for _ in range(_RESTARTS):
        try:
            return _once(work, on_progress)
        except private_server.TooLow:
            on_step("a limit was raised on the live server after the backup: starting again with it")
            write_settings(work, exact_target=exact_target)
    raise errors.PgbackstopError("The limits of the live server changed too often.")


def _once(work: RecoveryRun, on_progress: Callable[[str, float], None]) -> Progress:
    first, last = _span(work)

    def show(progress: Progress) -> None:
        log.logger().debug("replaying", lsn=progress.replayed_lsn, until=progress.until)
        if progress.replayed_lsn and last > first:
            done = wal_segments.parse_lsn(progress.replayed_lsn) - first
            meter.reached(max(0, done), last - first)
            on_progress(
                f"replayed {progress.replayed_lsn} of {wal_segments.format_lsn(last)}",
                min(1.0, done / (last - first)),
            )

    work.recovered.start()
    try:
        return work.recovered.wait(seconds=work.seconds, on_progress=show, pauses=work.action == "pause")
    except BaseException:
        work.recovered.stop()
        raise


def _span(work: RecoveryRun) -> tuple[int, int]:
    """The first and the last position of the replay, as far as that is known before."""
    if work.plan.target.kind == "lsn":
        last = wal_segments.parse_lsn(work.plan.target.value)
    else:
        last = replay_source.reached(work.plan, work.archive)
    return wal_segments.parse_lsn(work.plan.backup.start_lsn or "0/0"), last


def _require_not_beyond(work: RecoveryRun, progress: Progress) -> None:
    """Raises PgbackstopError where WAL with a commit after the target arrived between the two replays."""
    moment = work.plan.target.moment
    until = None
    with contextlib.suppress(ValueError):
        until = datetime.fromisoformat(progress.until)
    if moment is None or until is None or until <= moment:
        return
    work.recovered.stop()
    raise errors.PgbackstopError(
        f"While it replayed, something was committed at {progress.until}, after {format_time(moment)}.",
        remedy="The server was stopped: empty its directory and run this again.",
    )


def _require_all(work: RecoveryRun, progress: Progress) -> None:
    """Raises CatalogError where the replay ended before the WAL that the window promises."""
    least = replay_source.least_lsn(work.plan, work.archive)
    if not least or (progress.replayed_lsn and wal_segments.parse_lsn(progress.replayed_lsn) > least):
        return
    work.recovered.stop()
    work.recovered.require_room()
    raise errors.CatalogError(
        f"The replay ended at {progress.replayed_lsn}, "
        f"but the archive goes beyond {wal_segments.format_lsn(least)}.",
        remedy=f"Some WAL could not be read: see {work.recovered.log}. The server was stopped.",
    )
