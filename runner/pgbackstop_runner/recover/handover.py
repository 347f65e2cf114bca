"""RECOVER.md: what a person does with a prepared directory, without pgbackstop."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.decisions.recovery import RecoveryPlan
from pgbackstop_catalog.model import format_time
from pgbackstop_runner.postgres.private_server import PrivateServer
from pgbackstop_runner.recover.server_settings import MARK, SCRIPT
from pgbackstop_runner.wal.replay_source import COPY_NAME

NAME = "RECOVER.md"
LOG_NAME = "pgbackstop-recovery.log"
# A day: pg_ctl gives up waiting after a minute, and the replay would go on unseen.
_PATIENCE = 86400
_QUIET = """It preloads no library and reads no included file, so that no extension's worker acts, as that of
pg_cron would on the live server. 'pgbackstop recover --as-live' leaves both as they were.
"""


def connect(server: PrivateServer) -> str:
    """The line that connects with psql."""
    return f"{_program(server, 'psql')} {_address(server)} -d postgres"


def stop(server: PrivateServer) -> str:
    """The line that stops the server; PostgreSQL's pg_ctl refuses root."""
    line = f"{_program(server, 'pg_ctl')} -D {quote(str(server.data))} stop"
    return f"runuser -u {quote(server.who.name)} -- {line}" if server.who.credentials else line


def bring_back(server: PrivateServer, live: Server) -> tuple[str, str]:
    """The lines that copy a lost table from here into the live server.

    By way of a file: at the end of a pipe psql could not tell a whole dump from one that broke off.
    """
    there = f"-h {quote(live.host)} -p {quote(str(live.port))} -U {quote(live.user)}"
    return (
        f"{_program(server, 'pg_dump')} {_address(server)} -d DATABASE -t SCHEMA.TABLE -f lost.sql",
        f"{_program(server, 'psql')} {there} -d DATABASE -q -1 -v ON_ERROR_STOP=1 -o /dev/null -f lost.sql",
    )


def _program(server: PrivateServer, name: str) -> str:
    return quote(server.programs.path(name))


def _address(server: PrivateServer) -> str:
    return f"-h {quote(str(server.socket_folder))} -p {server.port} -U {quote(server.user)}"


def write(
    plan: RecoveryPlan, server: PrivateServer, wal_folder: Path, *, pauses: bool, as_live: bool
) -> None:
    """Write the page into the data directory."""
    data = quote(str(server.data))
    control = quote(server.programs.path("pg_ctl"))
    ended = format_time(plan.backup.recoverable_from)
    connection = connect(server)
    start = f"{control} -D {data} -l {quote(str(server.log))} -w -t {_PATIENCE} start"
    if server.socket_folder != server.data:
        # A restart of the machine may have cleaned it away; what somebody else has made there is not taken.
        sockets = quote(str(server.socket_folder))
        start = f"{{ test -O {sockets} || mkdir -m 0700 {sockets}; }} && {start}"
    ask = f"{connection} -c 'show port' 2>/dev/null"
    wait = f"while {control} -D {data} status >/dev/null; do {ask} && break; sleep 1; done"
    copy = (
        f"Remove {COPY_NAME} as well: it was the copy of the WAL."
        if wal_folder == server.data / COPY_NAME
        else ""
    )
    quiet = "" if as_live else _QUIET
    stops, without = "It then takes over by itself.", ""
    if pauses:
        stops = "It stops there, read-only, until you let it go on with: select pg_wal_replay_resume()"
        without = " (it takes over then: without a target there is nothing to stop at)"
    text = f"""# How to go on with this directory

Prepared from backup {plan.backup.id} of server {plan.backup.server}, which ended {ended}.
It recovers to: {plan.target}, timeline {plan.timeline}. {stops}
It reads WAL from {wal_folder}: keep that until the recovery is over.
{quiet}
1. As the user who owns this directory, start the server, and wait until it answers or has ended:

       {start}
       {wait}

2. If it ended with "recovery ended before configured recovery target was reached" in `{LOG_NAME}`, and the
   target is a time after which the server was quiet, then nothing was committed after it, and all of the WAL
   is what you want. Forget the target, and start again as above{without}:

       sed -i '/^recovery_target_time = /d' {quote(str(server.data / "postgresql.auto.conf"))}

3. Look at it before anyone else does. It listens on 127.0.0.1, port {server.port}, and on a private socket:

       {connection}

4. To make it the live server: stop it, remove everything below "{MARK}" from
   postgresql.auto.conf, put back your own postgresql.conf and pg_hba.conf, and set archive_mode as you want
   it. It is off now, so that nothing of this server gets into the archive of the other. {copy}
   Start it, and make a new physical backup at once: it is on a new timeline.

WAL is fetched by `{SCRIPT}` in this directory: plain shell, lz4 or zstd, nothing of pgbackstop.
It unpacks the next segments ahead into pg_wal/pgbackstop-spool.*, and that is removed when the recovery
ends. What a stopped server left there is swept by the next start, and may be removed while it is stopped.
"""
    path = server.data / NAME
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    path.chmod(0o600)
