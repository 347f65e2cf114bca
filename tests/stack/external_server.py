"""A PostgreSQL that was there before the stack, prepared as the manual says, in the engine's network."""

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from tests.stack.engine import GATEWAY, Engine
from tests.support import accounts
from tests.support.servers import STOP_TIMEOUT, Server

PORT = 5432
PASSWORD = r"a-password:of'mine'\100%/@?"
CREATE_ROLE = Path(__file__).resolve().parents[2] / "runner" / "pgbackstop_runner" / "create-role.sql"
# The engine's networks: https://docs.docker.com/engine/network/drivers/bridge/
CONTAINERS = "172.16.0.0/12"


class ExternalServer:
    """It has a database shop. ``server`` is on loopback while it is prepared, and stopped afterwards."""

    def __init__(self, engine: Engine, server: Server) -> None:
        self._engine = engine
        self._server = server
        self._process: subprocess.Popen[bytes] | None = None
        server.execute("create database shop")
        server.execute(
            "create table orders as select n, md5(n::text) from generate_series(1, 50000) n", "shop"
        )
        create_role(server)
        with (server.data / "pg_hba.conf").open("a") as hba:
            hba.writelines(
                f"host {each} pgbackstop {CONTAINERS} scram-sha-256\n" for each in ("all", "replication")
            )
        server.stop()

    @classmethod
    @contextlib.contextmanager
    def running(cls, engine: Engine, server: Server) -> Iterator[Self]:
        """Prepared, and started until the end of this."""
        found = cls(engine, server)
        try:
            found.start()
            yield found
        finally:
            found.stop()

    def start(self) -> None:
        """Start it where containers reach it; whether it answers is for them to find out."""
        account, server = accounts.unprivileged(), self._server
        step_down = [f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups", "--pdeathsig=KILL"]
        postgres = [str(server.programs.tool("postgres")), "-D", str(server.data), "-p", str(PORT)]
        postgres += ["-c", f"unix_socket_directories={server.folder}", "-c", f"listen_addresses={GATEWAY}"]
        with server.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._engine.enter_network("setpriv", *step_down, *postgres),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
            )

    def stop(self) -> None:
        """A fast shutdown; nothing happens when it is stopped."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(STOP_TIMEOUT)
            self._process = None


def create_role(server: Server) -> None:
    """By the script that the manual names, with psql."""
    subprocess.run(
        [str(server.programs.tool("psql")), "--quiet", "--file", str(CREATE_ROLE)],
        env={"PATH": "/usr/bin:/bin", **server.environment},
        check=True,
    )
    quoted = PASSWORD.replace("'", "''")
    server.execute(f"alter role pgbackstop password '{quoted}'")
