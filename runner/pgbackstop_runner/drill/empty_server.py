"""The throw-away server of a drill: nobody reaches it but through its private socket, and it dies with us."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.records.backup import Backup, Reason
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.drill.record import Drill
from pgbackstop_runner.drill.work_directory import DrillDirectory
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.postgres import client_process
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.postgres.private_server import PrivateServer
from pgbackstop_runner.system import processes

PORT = 5432  # only a part of the socket's name: nothing listens on a network
LOGICAL_PROGRAMS = ("initdb", "postgres", "pg_restore", "psql", "vacuumdb")
PHYSICAL_PROGRAMS = ("postgres", "pg_controldata", "pg_ctl")
_START_SECONDS = 120.0
# What it holds is thrown away, and it must not take the memory that the live server's settings ask for.
THROWAWAY = {
    "listen_addresses": "",
    "archive_mode": "off",
    "fsync": "off",
    "synchronous_commit": "off",
    "shared_buffers": "128MB",
    "huge_pages": "off",
    "cluster_name": "pgbackstop_drill",
    # Files in its folder go with it; POSIX shared memory would stay after a SIGKILL.
    "dynamic_shared_memory_type": "mmap",
}


@contextmanager
def empty(
    drill: Drill, ground: DrillDirectory, programs: Binaries, backup: Backup, superuser: str
) -> Iterator[PrivateServer]:
    """A new server with the backup's encoding, running; stopped at the end.

    Raises AttemptFailed, PgbackstopError where it cannot be made or does not start.
    """
    with drill.step("initdb"):
        _initdb(ground, programs, backup, superuser)
        _configure(ground)
    server = PrivateServer(
        programs=programs,
        data=ground.data,
        socket_folder=ground.sockets,
        port=PORT,
        log=ground.log,
        who=ground.who,
        user=superuser,
        dies_with_us=True,
    )
    try:
        with drill.step("start"):
            server.start()
            server.wait(seconds=_START_SECONDS, on_progress=lambda _progress: None)
        yield server
    finally:
        server.stop()


def entered(server: Server, ground: DrillDirectory, superuser: str) -> Server:
    """The configured server, but in the place of the throw-away one: no password, no network, no hooks."""
    return Server(
        host=str(ground.sockets),
        port=PORT,
        user=superuser,
        sslmode="disable",
        bin_dir=server.bin_dir,
        connect_timeout=server.connect_timeout,
    )


def _initdb(ground: DrillDirectory, programs: Binaries, backup: Backup, superuser: str) -> None:
    encoding = backup.database_facts.encoding if backup.database_facts else "UTF8"
    argv = [programs.path("initdb"), f"--pgdata={ground.data}", f"--username={superuser}"]
    argv += ["--auth=trust", f"--encoding={encoding}", "--locale=C", "--data-checksums", "--no-sync"]
    try:
        done = subprocess.run(
            argv,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env=client_process.small_environment(),
            preexec_fn=processes.dying_with_us(),
            **ground.who.credentials,
        )
    except OSError as error:
        raise AttemptFailed(Reason.CLIENT, f"initdb cannot be started: {error.strerror}.") from error
    if done.returncode != 0:
        words = errors.one_line(done.stderr)
        raise AttemptFailed(Reason.TOOL, f"initdb ended with exit status {done.returncode}: {words}")


def _configure(ground: DrillDirectory) -> None:
    settings = {
        **THROWAWAY,
        "port": str(PORT),
        "unix_socket_directories": str(ground.sockets),
        "logging_collector": "off",
        "log_destination": "stderr",
        "lc_messages": "C",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "autovacuum": "off",
    }
    lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in settings.items()]
    path = ground.data / "postgresql.auto.conf"
    # Replaced and not written to: who owns the folder could have put a link to a file of ours there.
    atomic.write(path, "".join(lines).encode(), durable=False)
    ground.who.own(path)
