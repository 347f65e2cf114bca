"""A standby of a throw-away server, which streams from it until it is promoted or ended."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support import accounts
from tests.support.backups import until
from tests.support.servers import SUPERUSER, Server


@contextlib.contextmanager
def standby_of(primary: Server, *, streams: bool = True) -> Iterator[Server]:
    """Follows the primary's stream, or only what `ship` gives it; has the same roles and passwords.

    primary_conninfo is written by hand: -R of some builds writes what others do not know.
    """
    standby = Server(primary.programs)
    try:
        subprocess.run(
            [primary.programs.tool("pg_basebackup"), "-D", standby.data, "-c", "fast", "--no-sync"],
            env={**os.environ, **primary.environment},
            check=True,
            capture_output=True,
        )
        (standby.data / "standby.signal").touch()
        _shipped(standby).mkdir()
        if streams:
            conninfo = f"host=127.0.0.1 port={primary.port} user={SUPERUSER} password={primary.password}"
            standby.configure({"primary_conninfo": conninfo})
        else:
            standby.configure({"restore_command": f"cp {_shipped(standby)}/%f %p"})
        account = accounts.unprivileged()
        for path in (standby.folder, *standby.folder.rglob("*")):
            account.own(path)
        standby.data.chmod(0o700)
        standby.password = primary.password
        shutil.copy(primary.password_file, standby.password_file)
        standby.start_on_free_port()
        yield standby
    finally:
        standby.close()


def ship(primary: Server, standby: Server, last: str) -> None:
    """Gives a standby the primary's segments up to this one, and none of what follows."""
    for path in (primary.data / "pg_wal").iterdir():
        if len(path.name) == len(last) and path.name <= last:
            copy = _shipped(standby) / path.name
            shutil.copy(path, copy.with_suffix(".tmp"))
            accounts.unprivileged().own(copy.with_suffix(".tmp"))
            copy.with_suffix(".tmp").rename(copy)


def _shipped(standby: Server) -> Path:
    return standby.folder / "shipped"


def caught_up(primary: Server, standby: Server) -> None:
    """Waits until the standby has replayed all that the primary has written."""
    written = primary.execute("select pg_current_wal_lsn()")[0][0]
    query = f"select pg_last_wal_replay_lsn() >= '{written}'"
    until(lambda: standby.execute(query) == [(True,)], f"replay up to {written}")
