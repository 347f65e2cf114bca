"""Throw-away PostgreSQL servers: real ones, on loopback ports, that leave nothing behind.

A server belongs to the test process that started it: it is ended by its own process id when the
session ends, at exit when the session was interrupted, and by the kernel when that process was
killed (setpriv's parent-death signal). Start servers in the main thread only, because that signal
follows the starting thread.
"""

import atexit
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

import psutil
import psycopg

from tests.support import accounts, binaries, places, ports

SUPERUSER = "postgres"
START_TIMEOUT = 120.0  # seconds; a start takes 0.2, recovery of a killed server longer
STOP_TIMEOUT = 120.0  # seconds
PORT_ATTEMPTS = 5

StopMode = Literal["smart", "fast", "immediate"]
_STOP_SIGNALS: dict[StopMode, signal.Signals] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}

BASE_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "wal_level": "replica",
    "max_wal_senders": "10",
    "max_replication_slots": "10",
    "max_connections": "50",
    "shared_buffers": "32MB",
    # Files in the data folder go with it, even when the server was killed; POSIX segments stay.
    "dynamic_shared_memory_type": "mmap",
    "logging_collector": "off",
    "log_min_messages": "warning",
}


class ServerError(Exception):
    """A throw-away server does not do what the test asked; the text holds the end of its log."""


class Server:
    """One throw-away server. A context manager: created, started, and removed with its folder.

    `settings` go into postgresql.conf over BASE_SETTINGS. `durable` turns fsync on, which costs
    seconds; only tests about durability of the server's own files need it. `environment` is for the
    server alone, `superuser` its first role, `initdb` has more options of that program.
    """

    def __init__(
        self,
        programs: binaries.Binaries,
        *,
        settings: Mapping[str, str] | None = None,
        durable: bool = False,
        environment: Mapping[str, str] | None = None,
        superuser: str = SUPERUSER,
        initdb: Sequence[str] = (),
    ) -> None:
        self.programs = programs
        self.major = programs.major
        self.superuser = superuser
        self.database = "postgres"  # where we connect when no other is said
        self.folder = places.make()
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.password = secrets.token_hex(16)
        self.password_file = self.folder / "password"
        self.passfile = self.folder / "pgpass"
        self.port = 0
        self._account = accounts.unprivileged()
        self._settings = {**BASE_SETTINGS, "fsync": "on" if durable else "off", **(settings or {})}
        self._environment = dict(environment or {})
        self._initdb = tuple(initdb)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.create()
            self.start_on_free_port()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The postmaster's process id. Raises ServerError when it was not started."""
        if self._process is None:
            raise ServerError("the server is not running: start() it")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def environment(self) -> dict[str, str]:
        """libpq's variables for child processes; the password is in a file, never among them."""
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": self.superuser,
            "PGDATABASE": self.database,
            "PGPASSFILE": str(self.passfile),
        }

    def conninfo(self, database: str = "") -> str:
        """A connection string without a password in it."""
        return (
            f"host=127.0.0.1 port={self.port} user={self.superuser} dbname={database or self.database} "
            f"passfile={self.passfile} connect_timeout=60"
        )

    def connect(self, database: str = "") -> psycopg.Connection[tuple[object, ...]]:
        """A connection of the superuser, in autocommit mode; close it, or use it in a `with`."""
        return psycopg.connect(self.conninfo(database), autocommit=True)

    def execute(self, statement: str, database: str = "") -> list[tuple[object, ...]]:
        """Runs SQL on a connection of its own; returns the rows, none for a statement without."""
        with self.connect(database) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def create(self) -> None:
        """initdb with checksums, UTF-8 and scram passwords, also for local sockets."""
        self._account.own(self.folder)
        self._write_secret(self.password_file, self.password)
        # initdb reads the file as the servers' account; afterwards it is the test's again.
        self._account.own(self.password_file)
        command = [str(self.programs.tool("initdb")), f"--pgdata={self.data}", f"--username={self.superuser}"]
        command += ["--auth=scram-sha-256", f"--pwfile={self.password_file}", "--no-sync"]
        command += ["--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums", *self._initdb]
        answer = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd="/", **self._account.credentials
        )
        accounts.current().own(self.password_file)
        if answer.returncode != 0:
            raise ServerError(f"initdb failed: {answer.stderr.strip()}")
        self.configure(self._settings)

    def configure(self, settings: Mapping[str, str]) -> None:
        """Appends settings to postgresql.conf; they count from the next start or reload."""
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def start_on_free_port(self) -> None:
        """Starts on a free loopback port; another one when somebody was faster."""
        for attempt in range(PORT_ATTEMPTS):
            self.port = ports.free()
            try:
                self.start()
            except ServerError:
                lost = "Address already in use" in self.log.read_text(errors="replace")
                if not lost or attempt == PORT_ATTEMPTS - 1:
                    raise
            else:
                return

    def start(self) -> None:
        """Starts the server on its port and waits until it answers.

        Raises ServerError when it exits or does not answer within START_TIMEOUT.
        """
        if self.running:
            raise ServerError("the server runs already: stop() it first")
        passline = f"127.0.0.1:{self.port}:*:{self.superuser}:{self.password}\n"
        self._write_secret(self.passfile, passline)
        command = [str(self.programs.tool("postgres")), "-D", str(self.data), "-p", str(self.port)]
        command += ["-c", f"unix_socket_directories={self.folder}"]
        with self.log.open("wb") as log:
            # A session of its own: Ctrl-C is for pytest, which then stops the servers in order.
            self._process = subprocess.Popen(
                [*_with_parent_death_signal(), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                env={**os.environ, **self._environment},
                **self._account.credentials,
            )
        atexit.register(self.close)
        self._wait_until_answering()

    def stop(self, mode: StopMode = "fast") -> None:
        """Stops the server as `pg_ctl stop -m mode` would; nothing happens when it is stopped."""
        self._signal(_STOP_SIGNALS[mode])

    def restart(self) -> None:
        """A fast stop and a start on the same port."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILLs the postmaster and its children, each by its own id: a power cut for them."""
        if self._process is None or not self.running:
            return
        family = psutil.Process(self.pid).children(recursive=True)
        self._process.kill()
        for child in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        self._process.wait(STOP_TIMEOUT)
        psutil.wait_procs(family, STOP_TIMEOUT)
        self._process = None

    def close(self) -> None:
        """Ends the server and removes its folder and shared memory; may be called twice."""
        if self.running:
            try:
                self.stop("immediate")
            except ServerError:
                self.kill()
        self._remove_shared_memory()
        places.remove(self.folder)
        atexit.unregister(self.close)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the server's log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _write_secret(self, path: Path, text: str) -> None:
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired as error:
            raise ServerError(f"no stop within {STOP_TIMEOUT} s: {self.log_tail()}") from error
        self._process = None

    def _wait_until_answering(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError as error:
                self._raise_if_hopeless(deadline, error)
                time.sleep(0.05)
            else:
                return

    def _raise_if_hopeless(self, deadline: float, error: psycopg.OperationalError) -> None:
        if not self.running:
            self._process = None
            raise ServerError(f"the server did not start: {self.log_tail()}") from error
        if time.monotonic() > deadline:
            raise ServerError(f"no answer in {START_TIMEOUT} s ({error}): {self.log_tail()}")

    def _remove_shared_memory(self) -> None:
        # A clean stop removes postmaster.pid and the segment; what is left names it in line 7.
        lock = self.data / "postmaster.pid"
        lines = lock.read_text().splitlines() if lock.exists() else []
        if len(lines) > 6 and len(lines[6].split()) == 2:
            segment = lines[6].split()[1]
            subprocess.run(["ipcrm", "--shmem-id", segment], capture_output=True, check=False)


def _with_parent_death_signal() -> list[str]:
    # util-linux; where it is missing, only a SIGKILL of the test process leaves a server behind.
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "QUIT"] if setpriv else []
