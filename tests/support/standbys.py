"""A standby of a throw-away server, which streams from it until it is promoted or ended."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator

from tests.support import accounts
from tests.support.backups import until
from tests.support.servers import SUPERUSER, Server


@contextlib.contextmanager
def standby_of(primary: Server, *, slot: str = "") -> Iterator[Server]:
    """Follows the primary, by a slot there if named; has the same roles and passwords.

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
        conninfo = f"host=127.0.0.1 port={primary.port} user={SUPERUSER} password={primary.password}"
        settings = {"primary_conninfo": conninfo} | ({"primary_slot_name": slot} if slot else {})
        standby.configure(settings)
        account = accounts.unprivileged()
        for path in (standby.folder, *standby.folder.rglob("*")):
            account.own(path)
        standby.data.chmod(0o700)
        standby.password = primary.password
        standby.start_on_free_port()
        yield standby
    finally:
        standby.close()


def caught_up(primary: Server, standby: Server) -> None:
    """Waits until the standby has replayed all that the primary has written."""
    written = primary.execute("select pg_current_wal_lsn()")[0][0]
    query = f"select pg_last_wal_replay_lsn() >= '{written}'"
    until(lambda: standby.execute(query) == [(True,)], f"replay up to {written}")
