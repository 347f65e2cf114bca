"""What both methods do all the time: take in what is complete, look for gaps, write the state."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.decisions import windows
from pgbackstop_catalog.decisions.wal_segments import Segment, WalGap, WalWindow, format_lsn
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.store import atomic
from pgbackstop_catalog.store.protocol import Catalog
from pgbackstop_runner.system import log, stop_requests
from pgbackstop_runner.system.state_folder import StateFolder
from pgbackstop_runner.wal import archive as archives
from pgbackstop_runner.wal import (
    archive_command,
    archive_disk,
    archive_identity,
    archiver_queue,
    pg_receivewal,
    readings,
    sampler,
)
from pgbackstop_runner.wal import gaps as gap_memory
from pgbackstop_runner.wal import state as wal_state

STATE_INTERVAL = 1.0  # seconds, as those below
NAMES_INTERVAL = 60.0
BACKUPS_INTERVAL = 5.0
WINDOWS_INTERVAL = 20.0
PAUSE_WHEN_BLOCKED = 1.0
LONGEST_TRY = 3600.0  # of an archive_command; one that takes longer fails, and is tried again
BATCH = 16  # segments that share one fsync of the index


@dataclass
class ArchiveMaintainer:
    """The keeper of one server's archive, and of what is known about it."""

    name: str
    server: Server
    root: Path
    catalog: Catalog
    state: StateFolder
    require_storage: Callable[[], object] = lambda: None  # raises PgbackstopError where it is not there
    require_lease: Callable[[], object] = lambda: None  # does not return where another host may receive now

    def __post_init__(self) -> None:
        self.progress = wal_state.Progress(
            self.state.wal(self.name), self.name, self.server.wal.method, self.server.wal.slot
        )
        self.sampler = sampler.Sampler(self.server, self.server.wal.slot)
        self.archive: archives.Archive | None = None
        self.gaps: gap_memory.Gaps | None = None
        self.newest: Segment | None = None
        self._state_due = stop_requests.Every(STATE_INTERVAL)
        self._names_due = stop_requests.Every(NAMES_INTERVAL)
        self._backups_due = stop_requests.Every(BACKUPS_INTERVAL)
        self._windows_due = stop_requests.Every(WINDOWS_INTERVAL)
        self._blocked, self._unwritten = False, ""  # the archive cannot be written; why the state cannot
        self._blocked_until = 0.0
        self._torn = False  # a segment may lie in its place and in no line of the index

    @property
    def streams(self) -> bool:
        """Whether pg_receivewal brings the segments."""
        return self.server.wal.method == "stream"

    def open_known(self) -> None:
        """Open an archive that exists, so that it is kept while the server is down. Raises as below."""
        self.require_storage()
        identity = archive_identity.read(self.root)
        if identity is not None:
            self.open_archive(identity.system_identifier, identity.segment_bytes)
        elif self.progress.state.last_segment:
            raise errors.ConfigError(
                f"The WAL archive {self.root} is not there, and it held {self.progress.state.last_segment}.",
                remedy=f"Mount it; or, if it was removed on purpose, remove {self.progress.path}, too.",
            )

    def open_archive(self, system_identifier: str, segment_bytes: int) -> None:
        """Open the archive and mend what a crash left. Raises ConfigError for another system's, OSError."""
        identity = archive_identity.ensure(self.root, system_identifier, segment_bytes)
        if self.archive is not None:
            return
        opened = archives.Archive(
            self.root,
            identity,
            self.server.wal.compression,
            covers_until=self.sampler.moments.until,
            thorough=not self.streams,
        )
        opened.prepare()
        self._count(opened.adopt())
        self.archive, self.gaps = opened, gap_memory.Gaps(opened, self._damaged)
        self.newest = opened.newest()
        state = self.progress.state
        self.progress.update(
            segments=max(state.segments, len(opened.segments())),
            conflicts=state.conflicts or opened.conflicts()[-gap_memory.REMEMBERED :],
        )
        self.take_in()
        self._sweep()
        self._renew_script()
        self._look_for_gaps()

    def tick(self) -> None:
        """Do what is due. A full disk or the like is said in the state and tried again."""
        if time.monotonic() >= self._blocked_until:
            self._work()
        if self._state_due():
            self.observe()
            if self._windows_due():
                self._tell_windows()
            self.write_state()

    def _work(self) -> None:
        self.require_lease()
        try:
            if self.archive is not None and self._torn:
                self._count(self.archive.adopt())
                self._torn = False
            self.take_in()
            if self._names_due():
                self._look_for_gaps()
                self._sweep()
            if self._backups_due():
                self.require_storage()
                self._acknowledge()
        except (OSError, errors.PgbackstopError) as error:
            if not self._blocked:
                self.trouble(error)
            self._blocked, self._blocked_until = True, time.monotonic() + PAUSE_WHEN_BLOCKED
            self._torn = True
        else:
            self._blocked = False

    def well(self) -> None:
        """WAL arrives, or would if there were any."""
        if self._blocked:
            return
        sample = self.sampler.latest
        blind = self.streams and sample is not None and not sample.sees
        message = pg_receivewal.BLIND.format(user=self.server.user) if blind else ""
        self.progress.update(status="streaming", message=message)

    def take_in(self) -> None:
        """Take in all completed segments."""
        if self.archive is None:
            return
        folder = self.archive.receiving if self.streams else self.archive.incoming
        waiting = self.archive.waiting(folder)
        for start in range(0, len(waiting), BATCH):
            self.require_lease()
            self._count(self.archive.take(waiting[start : start + BATCH]))

    def observe(self) -> None:
        """Bring the state up to the newest sample and the archive."""
        if self.archive is None or self.gaps is None:
            return
        state, size = self.progress.state, self.archive.identity.segment_bytes
        archived = self.newest.next().number * size if self.newest else None
        sample = self.sampler.latest
        written = sample.written or sample.slot_restart if sample and self.streams else archived
        received = max((each for each in (archived, written) if each is not None), default=None)
        lsn = format_lsn(received) if received is not None else None
        changes: dict[str, object] = {}
        if lsn is not None and lsn != state.received_lsn:
            changes = {"received_lsn": lsn, "last_received_at": utc_now()}
        self.progress.update(
            **changes,
            system_identifier=self.archive.identity.system_identifier,
            segment_bytes=size,
            timeline=self.newest.timeline if self.newest else state.timeline,
            last_segment=self.newest.name(size) if self.newest else "",
            archived_lsn=format_lsn(archived) if archived is not None else None,
            last_reply_at=(sample.replied_at if sample else None) or state.last_reply_at,
            clock_offset_seconds=sample.clock_offset if sample else state.clock_offset_seconds,
            archive_bytes=self.archive.index.total_bytes,
            gaps=self.gaps.known,
            base_backup_wanted_since=self.gaps.wanted_since,
        )
        if received is not None:
            self.progress.reached(self.sampler.moments.until(received))
            self.sampler.moments.forget_before(archived or 0)

    def write_state(self) -> None:
        """Write the state; where that fails, the log has it, and the next second tries again."""
        try:
            self.progress.write()
            self._unwritten = ""
        except (OSError, errors.CatalogError) as error:
            if str(error) != self._unwritten:
                log.logger().warning("the state cannot be written", server=self.name, reason=str(error))
            self._unwritten = str(error)

    def trouble(self, error: Exception) -> None:
        """Put an error into the state and the log, once for each new text."""
        told = archive_disk.explain(error)
        if str(told) != self.progress.state.message:
            log.logger().error("WAL is not received", server=self.name, reason=str(told))
        self.progress.fail(told)

    def _count(self, batch: archives.Batch) -> None:
        state, archive = self.progress.state, self.archive
        count = sum(len(segment.name) == 24 for segment in batch.segments)
        if batch.segments:
            log.logger().debug("archived", server=self.name, segments=count, last=batch.segments[-1].name)
            self.progress.update(segments=state.segments + count)
        for conflict in batch.conflicts:
            log.logger().error(
                "refused a segment", server=self.name, segment=conflict.name, kept_as=conflict.kept_as
            )
        if batch.conflicts:
            self.progress.update(conflicts=(*state.conflicts, *batch.conflicts)[-gap_memory.REMEMBERED :])
        if archive is not None and batch.segments:
            self._advance(archive, batch)

    def _advance(self, archive: archives.Archive, batch: archives.Batch) -> None:
        size, jumped = archive.identity.segment_bytes, False
        for line in batch.segments:
            if len(line.name) != 24:
                continue
            segment = Segment.parse(line.name, size)
            jumped |= self.newest is not None and segment != self.newest.next()
            self.newest = max(segment, self.newest or segment)
        if jumped:
            self._look_for_gaps()
        if self.newest is not None and self.streams:
            pg_receivewal.drop_passed(archive.root, self.newest, size)

    def _damaged(self) -> frozenset[str]:
        """What verify has found: recovery cannot pass it, as if it were missing."""
        return readings.damaged(self.state.wal_readings(self.name))

    def _look_for_gaps(self) -> None:
        if self.gaps is not None:
            awaited = _never if self.streams else self._is_awaited
            for gap in self.gaps.look(awaited):
                self.report(gap)

    def _is_awaited(self, first: Segment, last: Segment) -> bool:
        """The archiver sends segments out of order after a crash of its server."""
        size = self.archive.identity.segment_bytes if self.archive else 0
        return archiver_queue.holds(self.server, first.name(size), last.name(size))

    def _sweep(self) -> None:
        """Remove what killed archive_commands left: their next try does, but some servers never make one."""
        if self.archive is not None:
            atomic.sweep(self.archive.incoming, older_than=LONGEST_TRY)

    def _renew_script(self) -> None:
        try:
            archive_command.renew(self.root)
        except OSError as error:
            remedy = f"Run 'pgbackstop wal archive-command {self.name}' as its owner."
            log.logger().warning(
                f"{self.root / archive_command.SCRIPT_NAME} is of another version. {remedy}",
                server=self.name,
                reason=error.strerror,
            )

    def report(self, gap: WalGap) -> None:
        """Log a gap that is new."""
        facts = gap.model_dump(include={"first", "last", "segments", "reason"})
        log.logger().error("WAL is missing; a base backup is wanted", server=self.name, **facts)

    def _tell_windows(self) -> None:
        """Put into the state what can be recovered to, so that the exporter need not read the archive."""
        if self.archive is None:
            return
        try:
            backups = self.catalog.physical_backups(self.name)
            entries, switches = self.archive.index.entries.values(), self.archive.switches()
        except (OSError, errors.CatalogError) as error:
            log.logger().warning("the recovery window is not known", server=self.name, reason=str(error))
            return
        found = windows.windows(backups, entries, self.progress.state, switches)
        told = (
            WalWindow(start=each.start, end=each.end, ends=each.ends, backup=each.backup) for each in found
        )
        self.progress.update(windows=tuple(told))

    def _acknowledge(self) -> None:
        if self.gaps is None or self.gaps.wanted_since is None:
            return
        backup = self.gaps.acknowledge(self.name, self.catalog.backups())
        if backup is not None:
            log.logger().info("a base backup made the gaps harmless", server=self.name, backup=backup)
            self.progress.update(last_base_backup=backup)


def _never(_first: Segment, _last: Segment) -> bool:
    """A stream has an order: what it left out does not come any more."""
    return False
