"""How a PostgreSQL server is reached, and as whom: a protected one, and that of the catalog."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from pgbackstop_catalog.config.types import Duration, Hosts, Ports
from pgbackstop_catalog.model import Model


def from_one_place(*places: object) -> None:
    """Raises ValueError where a password is to come from several places."""
    if sum(each is not None for each in places) > 1:
        msg = "give one of password_file, password_env and password_command"
        raise ValueError(msg)


class Connection(Model):
    """Host, port, role and TLS, as libpq has them; the password from a file, a variable or a command."""

    host: Hosts = Field(
        default="127.0.0.1",
        description="host name, address, or folder of the unix socket; of a list the first that answers, and "
        "is what target_session_attrs asks for, at each connection",
    )
    port: Ports = Field(
        default=5432, description="the port; part of the socket's name too; a list has one for each host"
    )
    target_session_attrs: Literal[
        "any", "read-write", "read-only", "primary", "standby", "prefer-standby"
    ] = Field(default="any", description="as libpq's; primary follows a failover among several hosts")
    user: str = Field(
        default="pgbackstop", description="the role; docs/reference has the script that creates it"
    )
    password_file: Path | None = Field(
        default=None,
        description="a file, mode 0600, whose first line is the password; without this and the two below "
        "libpq looks into ~/.pgpass, or $PGPASSFILE",
    )
    password_env: str | None = Field(
        default=None, description="the environment variable that holds the password"
    )
    password_command: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="a program and its arguments, which no shell reads, whose first line of output is the "
        "password; run for each connection and each tool",
    )
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = Field(
        default="prefer",
        description="as libpq's; verify-full is the only one that nobody can listen to; without it no "
        "password is told in clear text, except to this machine",
    )
    sslrootcert: Path | None = Field(
        default=None, description="the authority that signed the server's certificate"
    )
    sslcert: Path | None = Field(default=None, description="our certificate, where the server wants one")
    sslkey: Path | None = Field(default=None, description="its key, mode 0600")
    connect_timeout: Duration = Field(default=10.0, description="how long to wait for the server to answer")

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        from_one_place(self.password_file, self.password_env, self.password_command)
        return self

    @model_validator(mode="after")
    def _port_of_each_host(self) -> Self:
        if len(self._ports) not in {1, len(self._hosts)}:
            msg = "port is a list: give one for each host, or one port for all"
            raise ValueError(msg)
        return self

    @property
    def _hosts(self) -> list[str]:
        return self.host.split(",")

    @property
    def _ports(self) -> list[str]:
        return str(self.port).split(",")

    @property
    def address(self) -> str:
        """Where it is, for people: host:port, of each host."""
        ports = self._ports * len(self._hosts) if len(self._ports) == 1 else self._ports
        return ", ".join(f"{host}:{port}" for host, port in zip(self._hosts, ports, strict=True))
