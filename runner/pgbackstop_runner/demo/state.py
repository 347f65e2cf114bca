"""The demo's folder: what lies where in it, its secrets, and what a later run must remember."""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import Model
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.store import atomic

PORTS = ("postgresql", "shop", "exporter", "prometheus", "alertmanager", "console")
# What people may have a bookmark of; the others are any free ones.
_PREFERRED = {"console": 9854}
_LINUX_LOWEST = 32_768
# Half of what lies below it has to be above the ports that only root may have.
_LOWEST_SENSIBLE = 8192


class Running(Model):
    """A process of a demo, so that a later run can find it after a crash; see processes.Identity."""

    name: str
    pid: int
    started: int


class State(Model):
    """``state.json``: what the next run continues with."""

    ports: dict[str, int] = Field(default_factory=dict)
    elsewhere: Path | None = Field(
        default=None, description="holds the server where its account cannot enter the demo's folder"
    )
    running: tuple[Running, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DemoFolder:
    """The folder, absolute."""

    folder: Path

    @property
    def configuration(self) -> Path:
        return self.folder / "pgbackstop.yaml"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    def log(self, part: str) -> Path:
        """The log of a part of the demo."""
        return self.logs / f"{part}.log"

    def password_file(self, role: str) -> Path:
        """A file of mode 0600 that holds the role's password."""
        return self.folder / "passwords" / role

    def prepare(self) -> None:
        """Make the folders. Raises ConfigError where that is impossible."""
        try:
            for each in (self.folder, self.logs, self.folder / "passwords"):
                atomic.make_folder(each)
            # Others may pass, not look: the server's account has to reach its data.
            self.folder.chmod(0o711)
        except OSError as error:
            raise errors.ConfigError(
                f"The demo cannot write its folder {self.folder}: {error.strerror}.",
                remedy="Choose another one with --folder.",
            ) from error

    def password(self, role: str) -> str:
        """The role's password; a new random one the first time."""
        path = self.password_file(role)
        if not path.exists():
            atomic.write(path, f"{secrets.token_urlsafe(24)}\n".encode())
        return path.read_text(encoding="utf-8").strip()

    def load(self) -> State:
        """What an earlier run left; an empty state where there was none. Raises CatalogError."""
        path = self.folder / "state.json"
        if not path.exists():
            return State()
        return codec.read(State, path)

    def save(self, state: State) -> None:
        """Raises OSError."""
        atomic.write(self.folder / "state.json", codec.encode(state))


def with_free_ports(state: State) -> State:
    """The remembered or usual ports where they are still free, other free ones for the rest."""
    ports: dict[str, int] = {}
    for name in PORTS:
        port = state.ports.get(name, _PREFERRED.get(name, 0))
        while not port or port in ports.values() or not _is_free(port):
            port = _any_free()
        ports[name] = port
    return state.evolve(ports=ports)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Connections of the run before may still be in TIME_WAIT; servers set this option too.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _any_free() -> int:
    """A port below those that the kernel gives to connections, which may take any of theirs at any time."""
    end = _lowest_of_connections()
    while not _is_free(port := end - 1 - secrets.randbelow(end // 2)):
        pass
    return port


def _lowest_of_connections() -> int:
    """https://docs.kernel.org/networking/ip-sysctl.html"""
    try:
        lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    except OSError:
        return _LINUX_LOWEST
    return max(lowest, _LOWEST_SENSIBLE)
