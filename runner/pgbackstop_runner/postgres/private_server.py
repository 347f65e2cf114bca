"""Starting a recovered server and watching it to the end of its recovery."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import conninfo, maintenance
from pgbackstop_catalog.config.server import USUAL_DATABASE
from pgbackstop_runner.postgres import recovery_log, session_options
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.system import processes
from pgbackstop_runner.system.accounts import Account, no_link
from pgbackstop_runner.system.jail import Cell, Launch

if TYPE_CHECKING:
    import psycopg

_USUAL_SUPERUSER = "postgres"
_ABSENT = ("does not exist", "not permitted to log in")
_QUIT_SECONDS = 10.0
# What libpq and the server say while it is not ready; anything else does not pass by waiting.
_NOT_YET = ("starting up", "not yet accepting", "not accepting", "shutting down", "in recovery mode")
_NOT_THERE = ("No such file", "Connection refused", "timeout expired", "server closed the connection")
# Nothing of ours is for the server; PATH is for restore_command's lz4 and zstd.
_ENVIRONMENT = ("PATH", "HOME", "LANG", "TZ", "LD_LIBRARY_PATH")


class TooLow(errors.PgbackstopError):
    """The primary raised a limit after the backup, and the replay waits for a restart with a higher one."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far the replay has come; ``until`` is the time of the last transaction replayed, as text."""

    in_recovery: bool
    paused: bool
    replayed_lsn: str
    until: str


@dataclass(kw_only=True)
class PrivateServer:
    """A recovered server beside the live one, reached through its private socket.

    One with a ``cell`` of a jail is thrown away and dies with us; any other goes on when we end. No file of
    its outdoes the ``options``. We ask as ``asks_as``, where that is known, else as ``user``. Lines of its
    log that name the ``restore_script`` of its restore_command say why it ended.
    """

    programs: Binaries
    data: Path
    socket_folder: Path
    port: int
    log: Path
    who: Account
    user: str
    asks_as: str = ""
    database: str = USUAL_DATABASE
    restore_script: str = ""
    cell: Cell | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    _log_from: int = 0
    _attached: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def start(self) -> None:
        """Start it. Raises PgbackstopError where it cannot be started."""
        argv = [self.programs.path("postgres"), "-D", str(self.data)]
        argv += [f"--{name}={value}" for name, value in self.options.items()]
        with self._opened_log() as log:
            self._log_from = log.tell()
            try:
                self.process = self._started(argv, log)
            except (OSError, subprocess.SubprocessError) as error:
                words = error.strerror if isinstance(error, OSError) else "its jail cannot be made"
                raise errors.PgbackstopError(
                    f"PostgreSQL cannot be started: {words}.",
                    remedy=f"Its programs are expected in {self.programs.folder}.",
                ) from error
        if self.cell is not None:
            self._attached.enter_context(processes.guarded(self.process.pid, signal.SIGKILL))

    @contextlib.contextmanager
    def _opened_log(self) -> Iterator[IO[bytes]]:
        """Where it is in a folder of the server's account, that one opens it."""
        with (
            self.who.acting() if self.cell is None else contextlib.nullcontext(),
            open(self.log, "ab", opener=no_link) as log,
        ):
            yield log

    def _started(self, argv: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        with self._launched(argv) as launch:
            return subprocess.Popen(
                launch.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                pass_fds=launch.descriptors,
                preexec_fn=launch.prepare,  # noqa: PLW1509 - see there
                env=environment if self.cell is None else processes.small_environment(),
            )

    @contextlib.contextmanager
    def _launched(self, argv: list[str]) -> Iterator[Launch]:
        """In its jail, or as its account, and going on when we end."""
        if self.cell is None:
            yield Launch(argv=argv, prepare=self.who.become)
            return
        with self.cell.launch(argv, death_signal=signal.SIGQUIT) as launch:
            yield launch

    def stop(self) -> None:
        """A fast shutdown, then an immediate one; all that runs in its jail at once."""
        if self.process is None:
            return
        if self.cell is not None:
            self._attached.close()
            if self.process.returncode is None:
                self._let_go()
                processes.end_group(self.process.pid)
                self.process.wait()
            return
        signals = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)
        for number in signals:
            if self.process.poll() is not None:
                return
            self.process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=30)

    def _let_go(self) -> None:
        """An immediate shutdown, so that it leaves no shared memory; a namespace takes that with it."""
        assert self.cell is not None and self.process is not None  # noqa: S101, PT018 - see stop
        if self.cell.jail.mechanism != "bubblewrap":
            self.process.send_signal(signal.SIGQUIT)
            deadline = time.monotonic() + _QUIT_SECONDS
            while not processes.has_ended(self.process.pid) and time.monotonic() < deadline:
                time.sleep(0.02)

    def wait(
        self, *, seconds: float, on_progress: Callable[[Progress], None], pauses: bool = False
    ) -> Progress:
        """Wait until recovery is over, or paused at its target; returns how far it came.

        Raises NotReached (recovery_log) where the WAL ended before the target, TooLow where it ``pauses``
        without being told to, PgbackstopError where the server ends or ``seconds`` pass.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process is not None  # noqa: S101 - started before
            if processes.has_ended(self.process.pid):
                raise recovery_log.why_it_ended(
                    self._lines(), data=self.data, log=self.log, restore_script=self.restore_script
                )
            progress = self._look()
            if progress is not None:
                on_progress(progress)
                if progress.paused and (not pauses or self._is_too_low()):
                    raise TooLow("A limit was raised on the live server after the backup.")
                if not progress.in_recovery or progress.paused:
                    return progress
            time.sleep(0.2)
        raise errors.PgbackstopError(
            "The recovery takes longer than it may and was stopped.", remedy=f"See {self.log}."
        )

    def require_room(self, refusal: str = "") -> None:
        """Raises AttemptFailed (space) where the server, or what brings it its WAL, met a full disk.

        ``refusal`` is what it told a session: on a full disk its log may lack that.
        """
        if full := recovery_log.full_disk((*self._lines(), refusal), self.data):
            raise full

    def _is_too_low(self) -> bool:
        return recovery_log.is_too_low(self._lines())

    def _lines(self) -> list[str]:
        """What the server has said since its last start, or the end of it."""
        return recovery_log.read(self.log, self._log_from)

    def connect(self, database: str | None = None, user: str | None = None) -> psycopg.Connection:
        """A connection through the private socket, in autocommit. Raises psycopg's errors."""
        return session_options.connect(self._keywords(database or self.database, user), as_superuser=True)

    @property
    def connection_string(self) -> str:
        """libpq's conninfo for a tool."""
        return session_options.told(self._keywords(self.database, None))

    def _first_session(self) -> psycopg.Connection:
        """As the superuser that most servers have, whose session can refuse libraries; else as ours.

        Where there is no database postgres, in the template: nobody has to wait for us there.
        """
        import psycopg  # noqa: PLC0415

        databases = (USUAL_DATABASE, maintenance.TEMPLATE)
        for user, database in itertools.product((_USUAL_SUPERUSER, self.user), databases):
            try:
                connection = self.connect(database, user)
            except psycopg.OperationalError as error:
                refusal = error
                if not any(each in str(error) for each in _ABSENT):
                    break
            else:
                self.asks_as, self.database = user, database
                return connection
        raise refusal

    def _keywords(self, database: str, user: str | None) -> dict[str, str]:
        return {
            "host": str(self.socket_folder),
            "port": str(self.port),
            "user": user or self.asks_as or self.user,
            "dbname": database,
            "connect_timeout": "5",
            **conninfo.NO_PASSWORD,  # what it runs may answer in its place
        }

    def _look(self) -> Progress | None:
        """How far it is; None while it takes no connections."""
        import psycopg  # noqa: PLC0415

        try:
            with contextlib.closing(self._first_session()) as connection:
                row = connection.execute(
                    """select pg_is_in_recovery(),
                              case when pg_is_in_recovery()
                                   then pg_get_wal_replay_pause_state() = 'paused' else false end,
                              coalesce(pg_last_wal_replay_lsn()::text, ''),
                              coalesce(to_char(pg_last_xact_replay_timestamp() at time zone 'UTC',
                                               'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), '')"""
                ).fetchone()
        except psycopg.Error as error:
            message = errors.one_line(error)
            if any(beginning in message for beginning in (*_NOT_YET, *_NOT_THERE)):
                return None
            self.require_room(message)
            raise errors.PgbackstopError(f"The recovered server lets nobody in: {message}") from error
        assert row is not None  # noqa: S101 - the query gives one row
        return Progress(in_recovery=row[0], paused=row[1], replayed_lsn=row[2], until=row[3])
