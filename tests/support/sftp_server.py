"""A real SFTP server for tests: Debian's OpenSSH on loopback, with keys and a folder of its own."""

from __future__ import annotations

import contextlib
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh
import psutil

from pgbackstop_catalog.config.storage import SftpStorage
from tests.support import accounts, places, ports

SSHD, SFTP_SERVER = Path("/usr/sbin/sshd"), Path("/usr/lib/openssh/sftp-server")
PATIENCE = 120.0  # seconds
_CONFIGURATION = """\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
PidFile none
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
Subsystem sftp {sftp_server}
"""


@dataclass
class SftpServer:
    """A running one; ``files`` is where its user may write."""

    folder: Path
    port: int
    user: str
    process: subprocess.Popen[bytes]

    @property
    def files(self) -> Path:
        return self.folder / "files"

    def storage(self, name: str = "files", **changes: Any) -> SftpStorage:
        """What a configuration says of a folder of it."""
        public = (self.folder / "host_key.pub").read_text().strip()
        wanted = {
            "kind": "sftp",
            "host": "127.0.0.1",
            "port": self.port,
            "user": self.user,
            "folder": str(self.folder / name),
            "host_keys": (public,),
            "key_file": self.folder / "client_key",
        }
        return SftpStorage.model_validate({**wanted, **changes})

    def signal(self, number: signal.Signals) -> None:
        """To it and to all that serves its connections."""
        for each in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                each.send_signal(number)

    def drop_connections(self) -> None:
        """End what serves them, and let new ones come."""
        for each in self._processes()[1:]:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()

    def _processes(self) -> list[psutil.Process]:
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]


def missing() -> str:
    """Why there can be none here; empty where there can."""
    absent = [str(each) for each in (SSHD, SFTP_SERVER) if not each.exists()]
    words = ", ".join(absent)
    return f"no SFTP server ({words}): run scripts/debian-packages.sh openssh-server" if absent else ""


@contextlib.contextmanager
def running() -> Iterator[SftpServer]:
    """A new one; it is gone at the end, with its folder."""
    folder = places.make()
    try:
        _write_keys(folder)
        server = ports.started(lambda: _start(folder))
        try:
            yield server
        finally:
            server.signal(signal.SIGKILL)
            server.process.wait()
    finally:
        shutil.rmtree(folder)


def _write_keys(folder: Path) -> None:
    account = accounts.unprivileged()
    for name in ("host_key", "client_key"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(folder / name)
        key.write_public_key(folder / f"{name}.pub")
        (folder / name).chmod(0o600)
    shutil.copy(folder / "client_key.pub", folder / "authorized_keys")
    (folder / "files").mkdir()
    for path in (folder, *folder.iterdir()):
        account.own(path)


def _start(folder: Path) -> SftpServer:
    """Raises NotStarted."""
    account, port = accounts.unprivileged(), ports.free()
    text = _CONFIGURATION.format(port=port, folder=folder, sftp_server=SFTP_SERVER)
    (folder / "sshd_config").write_text(text)
    argv = ["setpriv", "--pdeathsig", "KILL", str(SSHD), "-D", "-e", "-f", str(folder / "sshd_config")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, **account.credentials)
    server = SftpServer(folder=folder, port=port, user=pwd.getpwuid(account.uid).pw_name, process=process)
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
            return server
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise ports.NotStarted((folder / "log").read_text()[-2000:])
