"""The throw-away server of a drill: nobody reaches it but through its private socket, and it dies with us."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pgbackstop_catalog.config.server import Server, ThrowawayServer
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.proof import CheckResult
from pgbackstop_runner.drill.record import Drill
from pgbackstop_runner.drill.work_directory import DrillDirectory
from pgbackstop_runner.postgres import client_process, loaded_libraries
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.postgres.loaded_libraries import Preloads
from pgbackstop_runner.postgres.private_server import PrivateServer
from pgbackstop_runner.system import accounts

PORT = 5432  # only a part of the socket's name: nothing listens on a network
LOGICAL_PROGRAMS = ("initdb", "postgres", "pg_restore", "psql")
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
    "min_dynamic_shared_memory": "0",
    "shared_memory_type": "mmap",
    "wal_buffers": "-1",
    "cluster_name": "pgbackstop_drill",
    # Files in its folder go with it; POSIX shared memory would stay after a SIGKILL.
    "dynamic_shared_memory_type": "mmap",
    # Libraries that are preloaded may register workers, for which there is no place then.
    "max_worker_processes": "0",
    # What came with the backup runs no command.
    "jit": "off",
    "ssl": "off",
    "archive_command": "",
    "archive_cleanup_command": "",
    "primary_conninfo": "",
    "max_logical_replication_workers": "0",
}
_EVENT_TRIGGERS_SINCE, _IO_METHOD_SINCE = 17, 18


@contextmanager
def empty(
    drill: Drill, ground: DrillDirectory, programs: Binaries, backup: Backup, superuser: str
) -> Iterator[PrivateServer]:
    """A new server with the backup's encoding, running; stopped at the end.

    Raises AttemptFailed, PgbackstopError where it cannot be made or does not start.
    """
    with drill.step("initdb"):
        _initdb(ground, programs, backup, superuser)
    server = PrivateServer(
        programs=programs,
        data=ground.data,
        socket_folder=ground.sockets,
        port=PORT,
        log=ground.log,
        who=ground.who,
        user=superuser,
        cell=ground.jail.worker(programs.folder, writes=(ground.data, ground.sockets)),
        options=_settings(ground, programs.major, preloads(drill, backup, programs)),
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
    return ThrowawayServer(
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
    ground.data.mkdir(mode=0o700)
    accounts.give(ground.data, ground.who)
    client_process.run("initdb", argv, cell=ground.jail.worker(programs.folder, writes=(ground.data,)))


def throwaway(major: int, libraries: Preloads) -> dict[str, str]:
    """The settings of any drill's server of that version, which preloads the libraries that are here."""
    more = {"event_triggers": "off"} if major >= _EVENT_TRIGGERS_SINCE else {}
    # A ring for reads and writes would go round the jail's filter of system calls.
    loads = loaded_libraries.none_at_all(major)
    loads["shared_preload_libraries"] = ", ".join(f'"{name}"' for name in libraries.here)
    return {**THROWAWAY, **loads, **more, **({"io_method": "worker"} if major >= _IO_METHOD_SINCE else {})}


def preloads(drill: Drill, backup: Backup, programs: Binaries) -> Preloads:
    """The libraries that the live server preloaded, as far as this host has them; the rest is on record."""
    facts = backup.server_facts
    found = loaded_libraries.preloads(facts.preload_libraries if facts else (), programs)
    if found.here or found.missing:
        parts = [("preloaded", found.here), ("not on this host", found.missing)]
        words = "; ".join(f"{what}: {', '.join(names)}" for what, names in parts if names)
        drill.check(CheckResult(name="libraries", ok=True, detail=words))
    return found


def _settings(ground: DrillDirectory, major: int, libraries: Preloads) -> dict[str, str]:
    return {
        **throwaway(major, libraries),
        "port": str(PORT),
        "unix_socket_directories": str(ground.sockets),
        "logging_collector": "off",
        "log_destination": "stderr",
        "lc_messages": "C",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "autovacuum": "off",
    }
