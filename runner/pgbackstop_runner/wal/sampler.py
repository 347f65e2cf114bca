"""Where the server stands, asked once a second by a thread with one kept connection.

A sample pairs a moment of the server's clock with the position flushed by then. When the receiver has
that position, everything committed before that moment is received, whether the server is busy or idle.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.decisions import clocks
from pgbackstop_catalog.model import utc_now
from pgbackstop_runner.postgres import sessions

INTERVAL = 1.0  # seconds
_TIMEOUT = 5.0  # seconds a query
# pg_current_wal_flush_lsn and not the insert position: only flushed WAL is sent, and on an idle server
# the insert position may stand beyond a page header that is not sent until something follows it.
_QUERY = """
select statement_timestamp(),
       (case when pg_is_in_recovery()
             then coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
             else pg_current_wal_flush_lsn() end - '0/0')::bigint,
       s.slot_name is not null, s.wal_status, (s.restart_lsn - '0/0')::bigint,
       r.pid, (r.write_lsn - '0/0')::bigint, r.reply_time,
       a.last_archived_wal, extract(epoch from statement_timestamp() - a.last_archived_time)::float8,
       coalesce(a.last_failed_time > coalesce(a.last_archived_time, '-infinity'), false),
       current_setting('archive_mode'), pg_has_role('pg_read_all_stats', 'usage')
from pg_stat_archiver a
left join pg_replication_slots s on s.slot_name = %s
left join pg_stat_replication r on r.pid = s.active_pid
"""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The server at ``taken_at`` by its own clock; positions are bytes since the beginning of the WAL.

    ``asked_at`` and ``replied_at``, when our pg_receivewal sent its last reply, are by our clock.
    """

    taken_at: datetime
    asked_at: datetime
    flushed: int | None
    slot_exists: bool = False
    slot_status: str | None = None
    slot_restart: int | None = None
    sender_pid: int | None = None
    written: int | None = None
    replied_at: datetime | None = None
    archiver_last: str | None = None
    archiver_age: float | None = None  # seconds since it archived that
    archiver_fails: bool = False
    archive_mode: str = "off"
    clock_offset: float | None = None  # seconds that its clock is ahead of ours
    sees: bool = True  # whether the role may see more of a WAL sender than its process id
    monotonic: float = field(default_factory=time.monotonic)


def query(connection: psycopg.Connection, slot: str) -> Sample:
    """One sample. Raises psycopg.Error."""
    before = utc_now()
    row = connection.execute(_QUERY, (slot,)).fetchone()
    assert row is not None  # noqa: S101 - pg_stat_archiver has exactly one row
    return Sample(
        taken_at=row[0],
        asked_at=before,
        clock_offset=clocks.offset(before, row[0], utc_now()),
        flushed=row[1],
        slot_exists=row[2],
        slot_status=row[3],
        slot_restart=row[4],
        sender_pid=row[5],
        written=row[6],
        replied_at=row[7],
        archiver_last=row[8],
        archiver_age=row[9],
        archiver_fails=row[10],
        archive_mode=row[11],
        sees=row[12],
    )


class ClockSamples:
    """The samples' (position, moment) pairs that are still needed; one for each position."""

    def __init__(self) -> None:
        self._pairs: deque[tuple[int, datetime]] = deque(maxlen=7200)  # two hours behind, then coarser
        self._lock = threading.Lock()

    def add(self, position: int, moment: datetime) -> None:
        """Positions do not fall, except where the server is another one: then all before is void."""
        with self._lock:
            if self._pairs and position < self._pairs[-1][0]:
                self._pairs.clear()
            if self._pairs and position == self._pairs[-1][0]:
                self._pairs.pop()
            self._pairs.append((position, moment))

    def until(self, received: int) -> datetime | None:
        """The newest moment before which everything committed lies below ``received``; None if unknown."""
        with self._lock:
            return next((moment for position, moment in reversed(self._pairs) if position <= received), None)

    def forget_before(self, position: int) -> None:
        """Drop what ``until`` will not need for this position and later ones."""
        with self._lock:
            while len(self._pairs) > 1 and self._pairs[1][0] <= position:
                self._pairs.popleft()


class Sampler:
    """The thread. ``latest`` is the newest sample, ``problem`` why there is none now."""

    def __init__(self, server: Server, slot: str) -> None:
        self.latest: Sample | None = None
        self.problem: errors.PgbackstopError | None = None
        self.moments = ClockSamples()
        self._server, self._slot = server, slot
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wal-sampler", daemon=True)

    def start(self) -> None:
        """Begin to sample."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a query or connection in progress is waited for, but not for long."""
        self._stop.set()
        self._thread.join(timeout=_TIMEOUT)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with sessions.connect(self._server, statement_timeout=_TIMEOUT) as connection:
                    self._sample(connection)
            except errors.PgbackstopError as error:
                self.problem = error
            except psycopg.Error as error:
                self.problem = sessions.unreachable(self._server, None, error)
            self._stop.wait(INTERVAL)

    def _sample(self, connection: psycopg.Connection) -> None:
        while not self._stop.is_set():
            sample = query(connection, self._slot)
            if sample.flushed is not None:
                self.moments.add(sample.flushed, sample.taken_at)
            self.latest, self.problem = sample, None
            self._stop.wait(INTERVAL)
