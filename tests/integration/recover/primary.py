"""A server with a receiver and a physical plan, heartbeats in it, and what can be recovered from it."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg

from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.records.backup import Backup
from tests.integration.wal.receiver import PAUSES
from tests.support import backups, places, ports, servers
from tests.support.backups import Site
from tests.support.servers import Server

# Commit times are what recovery_target_time goes by; with them a test knows the exact answer.
# Without autovacuum, nothing is committed after the last heartbeat but what the test commits.
SETTINGS = {"track_commit_timestamp": "on", "max_wal_size": "1GB", "autovacuum": "off"}
BEATS = "create table beats (n int primary key, at timestamptz not null default clock_timestamp())"


@dataclass
class Primary:
    """One live server, its site, its receiver."""

    server: Server
    wal_settings: Mapping[str, Any] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    storages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    folder: Path = field(default_factory=places.make)
    receiver: subprocess.Popen[str] | None = None
    _made: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.site = Site(
            folder=self.folder / "site",
            server=self.server,
            plans={"base": backups.plan("physical", **self.plan)},
            server_settings={"wal": dict(self.wal_settings)},
            more_storages=self.storages,
        )

    @property
    def archive(self) -> Path:
        return self.site.store / "backups" / "wal_archive" / "main"

    def receive(self) -> None:
        """Start the receiver and wait until it streams."""
        self.receiver = self.site.start("wal", "receive", "main", pauses=PAUSES)
        pid = self.receiver.pid
        backups.until(lambda: self._state().get("pid") == pid and self.is_streaming(), "the stream")

    def is_streaming(self) -> bool:
        return self._state().get("status") == "streaming"

    def caught_up(self) -> None:
        """Wait until everything written by now is received, and its moment is known to be."""
        lsn = wal_segments.parse_lsn(str(self.server.execute("select pg_current_wal_lsn()")[0][0]))
        (now,) = self.server.execute("select clock_timestamp()")[0]
        assert isinstance(now, datetime)

        def reached() -> bool:
            state = self._state()
            until, received = state.get("recoverable_until"), state.get("received_lsn")
            return bool(
                until
                and received
                and wal_segments.parse_lsn(received) >= lsn
                and datetime.fromisoformat(until) >= now
            )

        backups.until(reached, "the receiver to catch up")

    def stop_receiver(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.receiver is not None:
            if self.receiver.poll() is None:
                self.receiver.send_signal(number)
            self.receiver.communicate(timeout=backups.PATIENCE)
            self.receiver = None

    def backup(self) -> Backup:
        return self.site.made("base")

    def beat(self, first: int, last: int) -> None:
        """Heartbeats, each committed by itself."""
        with self.server.connect() as connection:
            for number in range(first, last + 1):
                connection.execute("insert into beats (n) values (%s)", (number,))

    def switch(self) -> None:
        """Complete the segment."""
        self.server.execute("select pg_switch_wal()")

    def commits(self) -> dict[int, datetime]:
        """When each heartbeat was committed, by the server's clock."""
        rows = self.server.execute("select n, pg_xact_commit_timestamp(xmin) from beats order by n")
        return {int(str(number)): moment for number, moment in rows if isinstance(moment, datetime)}

    def target(self) -> Path:
        """A new place for a recovered server: not there yet, and short."""
        place = self.folder / f"r{len(self._made)}"
        self._made.append(place)
        return place

    def recover(
        self, into: Path, *words: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return self.site.run("recover", "main", "--into", str(into), *words, env=env)

    @contextlib.contextmanager
    def recovered(self, *words: str, into: Path | None = None, code: int = 0) -> Iterator[Clone]:
        """Recovers and starts, which must end with that exit code; the server is ended afterwards."""
        place = into or self.target()
        port = ports.free()
        with ended(place):
            done = self.recover(place, "--start", "--port", str(port), *words)
            log = place / "pgbackstop-recovery.log"
            assert done.returncode == code, (done.stderr, log.exists() and log.read_text()[-3000:])
            yield Clone(data=place, port=port, said=done.stdout)

    def close(self) -> None:
        for place in self._made:
            end(place)
        if self.receiver is not None:
            self.stop_receiver(signal.SIGKILL)
        if self.server.running:
            with contextlib.suppress(psycopg.Error):
                self.server.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots")
        places.remove(self.folder)

    def _state(self) -> dict[str, Any]:
        path = self.site.store / "catalog" / "state" / "wal" / "main.json"
        try:
            found: dict[str, Any] = json.loads(path.read_text())
        except FileNotFoundError:
            return {}
        return found


@dataclass(frozen=True)
class Clone:
    """A recovered server that runs; ``said`` is what the command printed."""

    data: Path
    port: int
    said: str

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        arguments = {"host": str(self.data), "port": self.port, "user": servers.SUPERUSER}
        with psycopg.connect(**arguments, dbname="postgres", autocommit=True) as connection:  # type: ignore[arg-type]
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def beats(self) -> list[int]:
        return [int(str(number)) for (number,) in self.execute("select n from beats order by n")]

    def setting(self, name: str) -> str:
        return str(self.execute(f"show {name}")[0][0])


@contextlib.contextmanager
def ended(data: Path) -> Iterator[None]:
    """Ends the server of that directory, by its own id, however the block ends."""
    try:
        yield
    finally:
        end(data)


def end(data: Path) -> None:
    """Ends the server that runs in a directory, if one does."""
    try:
        pid = int((data / "postmaster.pid").read_text().split()[0])
        process = psutil.Process(pid)
    except (OSError, ValueError, psutil.NoSuchProcess):
        return
    if process.name() != "postgres":
        return
    process.send_signal(signal.SIGINT)
    backups.until(lambda: backups.gone([process]), f"the end of {data}")
