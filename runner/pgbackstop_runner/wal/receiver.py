"""``pgbackstop wal receive``: one process for each server, for as long as it is told to run.

It never gives up: what fails is said in the state and tried again with growing pauses, and nothing is lost
as long as the server keeps the WAL, which the slot (or the archiver) makes it do.
"""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import conninfo
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.decisions.wal_segments import Segment
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.postgres import client_process, client_programs, sessions
from pgbackstop_runner.postgres import facts as postgres_facts
from pgbackstop_runner.system import log, stop_requests
from pgbackstop_runner.wal import archive_disk, archiver_check, pg_receivewal, slot
from pgbackstop_runner.wal.lease import Lease
from pgbackstop_runner.wal.maintenance import ArchiveMaintainer

TICK = 0.1  # seconds, as those below
FIRST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE_FOR_ROOM = 1.0, 30.0, 5.0
FRESH_SAMPLE = 5.0
FRESH_REPLY = 15.0
STALLED_REPLY = 60.0


@dataclass
class Receiver:
    """Runs until told to stop; in a fleet at most as long as its ``lease``."""

    keeper: ArchiveMaintainer
    lease: Lease | None = None
    stop: stop_requests.Stop = field(default_factory=stop_requests.Stop)

    def __post_init__(self) -> None:
        self.server: Server = self.keeper.server
        self.pause = FIRST_PAUSE
        self.compression = self.server.wal.compression
        self.timeline = 0  # the server's
        self.on_its_timeline = False  # ours ends where the server's begins
        self.refused_after: Segment | None = None  # the newest when the server could not send what follows
        self.slot_anew = False  # nor from where its slot stands
        self.slot_trouble = ""  # why the slot was made
        self.slot_made_after: Segment | None = None
        self.programs: client_programs.Binaries | None = None

    @property
    def without_marker(self) -> bool:
        """Whether the server could not send from where we stand, so that its slot says where it begins.

        It says so once the stream has begun: only a segment shows that it can.
        """
        return self.keeper.newest == self.refused_after

    def run(self) -> None:
        """Receive until told to stop; then end cleanly. Raises nothing that another attempt may mend."""
        if self.lease is not None:
            self.lease.watch()
        self.keeper.write_state()
        self.keeper.sampler.start()
        try:
            while not self.stop.wished:
                self._attempt()
        finally:
            self.keeper.sampler.stop()
            self.keeper.tick()
            self.keeper.observe()
            self.keeper.progress.update(status="stopped", message="")
            self.keeper.write_state()

    def _attempt(self) -> None:
        try:
            self.stop.during(self._open)
            if self.keeper.streams:
                self._stream()
            else:
                self._accept()
        except errors.Interrupted:
            return
        except (errors.PgbackstopError, OSError) as error:
            if self.stop.wished:
                return
            self.keeper.trouble(error)
            self._rest()

    def _open(self) -> None:
        self.keeper.open_known()
        try:
            with sessions.connect(self.server, statement_timeout=10) as connection:
                reserved = self._prepare(connection)
        except psycopg.Error as error:  # the connection broke in the middle
            raise sessions.unreachable(self.server, None, error) from error
        if reserved is None:
            return
        self.slot_anew = False
        if reserved.created:
            self.slot_trouble = reserved.trouble or self._missing_slot()
            self.slot_made_after = self.keeper.newest
            log.logger().info("made the replication slot", slot=self.server.wal.slot, why=self.slot_trouble)
        if self.without_marker:
            self._expect_gap(reserved)

    def _missing_slot(self) -> str:
        """Why there was none."""
        newest = self.keeper.newest
        if newest is None:
            return "the archive begins"
        if newest.timeline < self.timeline:
            return (
                f"the new primary, on timeline {self.timeline}, had no replication slot "
                f"{self.server.wal.slot}, which does not come with a failover"
            )
        return "the replication slot had been dropped"

    def _prepare(self, connection: psycopg.Connection) -> slot.Slot | None:
        facts = postgres_facts.facts(connection)
        size = facts.wal_segment_bytes or wal_segments.DEFAULT_SEGMENT_BYTES
        self.keeper.open_archive(facts.system_identifier, size)
        if not self.keeper.streams:
            return None
        self.timeline = facts.timeline or 0
        self.programs = client_programs.find(postgres_facts.major(connection), self.server.bin_dir)
        if self.lease is not None:
            slot.end_user(connection, self.server.wal.slot)
        return slot.ensure(connection, self.server.wal.slot, anew=self.slot_anew)

    def _expect_gap(self, reserved: slot.Slot) -> None:
        """The server cannot send what follows our newest segment: what lies before its slot never comes."""
        newest, gaps = self.keeper.newest, self.keeper.gaps
        if newest is None or gaps is None or reserved.restart_lsn is None:
            return
        size = gaps.archive.identity.segment_bytes
        resume = wal_segments.segment_of(reserved.restart_lsn, newest.timeline, size)
        if resume.number > newest.number + 1:
            last = Segment(timeline=newest.timeline, number=resume.number - 1)
            trouble = self.slot_trouble if self.slot_made_after == newest else ""
            gap = gaps.expect(newest.next(), last, trouble or "the server had removed it")
            if gap is not None:
                self.keeper.report(gap)

    def _stream(self) -> None:
        archive, programs = self.keeper.archive, self.programs
        assert archive is not None and programs is not None  # noqa: S101, PT018 - _open sets both
        if not self._has_room():
            raise archive_disk.explain(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        if self.lease is not None:
            pg_receivewal.renew_folder(archive.root)
        pg_receivewal.remove_markers(archive.receiving)
        pg_receivewal.set_partial_aside(archive.root)
        marker = self.keeper.newest
        if marker is not None and not self.without_marker:
            if self.on_its_timeline:
                marker = Segment(timeline=self.timeline, number=marker.number)
            pg_receivewal.place_marker(archive.receiving, marker, archive.identity.segment_bytes)
        # By the folder and not by its name, which another host's may have one day.
        directory, folder = (Path(), archive.receiving) if self.lease else (archive.receiving, None)
        argv = pg_receivewal.arguments(self.server, programs, directory, self.compression)
        if not self.stop.wished:
            self._run_tool(argv, folder)

    def _run_tool(self, argv: list[str], folder: Path | None) -> None:
        password = conninfo.password(self.server)
        with client_process.start("pg_receivewal", argv, password=password, folder=folder) as tool:
            log.logger().info("pg_receivewal started", server=self.keeper.name, pid=tool.process.pid)
            self.keeper.progress.update(status="connecting")
            try:
                self._watch(tool)
            finally:
                pg_receivewal.stop(tool)
            if self.stop.wished:
                return
            words = _last_words(tool)
        self._learn(words)
        raise pg_receivewal.explain(words, self.server)

    def _watch(self, tool: client_process.Tool) -> None:
        started = time.monotonic()
        while not self.stop.wished and tool.process.poll() is None:
            self.keeper.tick()
            age = self._reply_age()
            if age is not None and age < FRESH_REPLY:
                self.keeper.well()
                self.pause, self.on_its_timeline = FIRST_PAUSE, False
            elif (age or 0.0) > STALLED_REPLY and time.monotonic() - started > STALLED_REPLY:
                raise errors.PgbackstopError(
                    f"pg_receivewal has not answered the server for {age:.0f} s and was ended.",
                    remedy="It is started again; look at the network if this repeats.",
                )
            time.sleep(TICK)

    def _reply_age(self) -> float | None:
        """Seconds since pg_receivewal sent what the server heard last of it; None where unknown.

        Both moments are of this host's clock: https://www.postgresql.org/docs/current/monitoring-stats.html
        """
        sample = self.keeper.sampler.latest
        if sample is None or time.monotonic() - sample.monotonic > FRESH_SAMPLE:
            return None
        if sample.sender_pid is not None and not sample.sees:
            return 0.0  # it is connected, and the role may not know more
        if sample.sender_pid is None or sample.replied_at is None:
            return None
        return max(0.0, (sample.asked_at - sample.replied_at).total_seconds())

    def _learn(self, words: str) -> None:
        if pg_receivewal.lacks_lz4(words):
            self.compression = "none"  # we compress the segments ourselves then
            self.pause = 0.0
        elif pg_receivewal.begins_with_a_timeline(words) and not self.on_its_timeline:
            self.on_its_timeline = True
            self.pause = 0.0
        elif pg_receivewal.start_was_refused(words):
            self.slot_anew = self.without_marker
            self.refused_after = self.keeper.newest
            self.pause = 0.0

    def _accept(self) -> None:
        """The archive_command brings the segments; compare what the server believes with what is here."""
        while not self.stop.wished:
            self.keeper.tick()
            problem = archiver_check.problem(self.keeper)
            if problem is None:
                self.keeper.well()
            elif str(problem) != self.keeper.progress.state.message:
                self.keeper.trouble(problem)
            time.sleep(TICK)

    def _has_room(self) -> bool:
        """Whether two more segments fit into the archive's disk, as far as that can be known."""
        archive = self.keeper.archive
        return archive is None or archive_disk.has_room(archive.root, 2 * archive.identity.segment_bytes)

    def _rest(self) -> None:
        """Pause before the next attempt; it ends early when there is room again on a disk that was full."""
        full = not self._has_room()
        until = time.monotonic() + min(self.pause, LONGEST_PAUSE_FOR_ROOM if full else LONGEST_PAUSE)
        while time.monotonic() < until and not self.stop.wished:
            self.keeper.tick()
            time.sleep(TICK)
        self.pause = min(max(self.pause * 2, FIRST_PAUSE), LONGEST_PAUSE)


def _last_words(tool: client_process.Tool) -> str:
    try:
        return tool.finish()
    except AttemptFailed:
        return "\n".join(tool.lines)
