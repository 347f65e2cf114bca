"""A PostgreSQL server of our own: no root, no service, no socket file, loopback only, passwords only.

The server dies with us: it gets a fast shutdown from the kernel when our main thread ends, even by
SIGKILL. Start it in the main thread.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pgbackstop_catalog import errors
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.system import processes
from pgbackstop_runner.system.accounts import Account

if TYPE_CHECKING:
    import psycopg

SUPERUSER = "postgres"
START_SECONDS = 60.0  # recovery after a crash included
STOP_SECONDS = 30.0

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    # A socket's path may have 107 bytes, and a folder of a person's choice may be longer.
    "unix_socket_directories": "",
    "wal_level": "replica",
    "max_wal_senders": "10",
    "max_replication_slots": "10",
    "max_connections": "40",
    "shared_buffers": "32MB",
    # Small, because the data folder is somebody's disk and the default keeps up to 1 GB of WAL.
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    # A page is written in full after each checkpoint: few checkpoints and compression keep the archive small.
    "checkpoint_timeout": "30min",
    "wal_compression": "on",
    # Files in the data folder go with it; POSIX shared memory would stay after a SIGKILL.
    "dynamic_shared_memory_type": "mmap",
    "logging_collector": "off",
    "jit": "off",
}


@dataclass(kw_only=True)
class Embedded:
    """One server. ``folder`` holds its data and nothing else of ours; ``log`` gets what it says."""

    folder: Path
    programs: Binaries
    who: Account
    port: int
    password_file: Path
    log: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def is_created(self) -> bool:
        """Whether an initdb has come to its end here."""
        return (self.data / "global" / "pg_control").exists()

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def create(self) -> None:
        """initdb with checksums and UTF-8; the superuser's password is what ``password_file`` holds.

        Raises PgbackstopError with initdb's words.
        """
        shutil.rmtree(self.data, ignore_errors=True)  # what an interrupted initdb left
        secret = self.folder / ".password"
        atomic.write(secret, self.password_file.read_bytes(), durable=False)
        self.who.own(secret)
        argv = [self.programs.path("initdb"), f"--pgdata={self.data}", f"--username={SUPERUSER}"]
        argv += ["--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C"]
        try:
            done = self._run([*argv, "--data-checksums", "--no-sync"])
        finally:
            secret.unlink()
        if done.returncode != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            raise errors.PgbackstopError(
                f"initdb ended with exit status {done.returncode}: {errors.one_line(done.stderr)}",
                remedy="Check free space and the libraries that the message names.",
            )

    def start(self, on_start: Callable[[subprocess.Popen[bytes]], object] = lambda _process: None) -> None:
        """Start it and wait until it answers; leftovers of an earlier run are ended first.

        ``on_start`` hears of the process before it answers.
        Raises PgbackstopError with the last lines of its log.
        """
        processes.end_all(processes.working_in(self.data), first=signal.SIGINT)
        self._remove_foreign_lock()
        argv = [self.programs.path("postgres"), "-D", str(self.data), "-p", str(self.port)]
        for name, value in {**SETTINGS, **self.settings}.items():
            argv += ["-c", f"{name}={value}"]
        self.process = processes.start(argv, log=self.log, death_signal=signal.SIGINT, **self.who.credentials)
        on_start(self.process)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if not self.is_running or time.monotonic() > deadline:
                self.stop()
                raise errors.PgbackstopError(
                    f"PostgreSQL does not start: {processes.tail(self.log)}", remedy=f"See {self.log}."
                )
            time.sleep(0.1)

    def stop(self) -> None:
        """A fast shutdown; an immediate one where that takes too long. May be called at any time."""
        if self.process is not None:
            processes.stop(self.process, (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL), STOP_SECONDS)

    def connect(
        self, database: str = "postgres", *, user: str = SUPERUSER, password: str | None = None
    ) -> psycopg.Connection:
        """A connection in autocommit, of the superuser where no other is named. Raises psycopg's errors."""
        import psycopg  # noqa: PLC0415 - 100 ms that only operations pay

        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=user,
            dbname=database,
            password=password or self.password_file.read_text(encoding="utf-8").strip(),
            connect_timeout=5,
            autocommit=True,
        )

    def _answers(self) -> bool:
        import psycopg  # noqa: PLC0415

        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _remove_foreign_lock(self) -> None:
        """After a crash the number in postmaster.pid may by now be another process of the same user.

        PostgreSQL would refuse to start. Whoever works in the data folder was ended before.
        """
        lock = self.data / "postmaster.pid"
        with contextlib.suppress(OSError, ValueError, IndexError):
            number = int(lock.read_text(encoding="utf-8").splitlines()[0])
            if processes.exists(number):
                lock.unlink()

    def _run(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                argv,
                cwd="/",
                capture_output=True,
                text=True,
                check=False,
                env=processes.environment(),
                **self.who.credentials,
            )
        except OSError as error:
            raise errors.PgbackstopError(
                f"PostgreSQL's programs cannot be run as user {self.who.name or self.who.uid}: "
                f"{error.strerror}.",
                remedy="Run this as an ordinary user.",
            ) from error
