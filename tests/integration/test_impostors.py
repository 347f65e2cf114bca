"""What answers in a server's place: its words end in a sentence; it gets no password and not all our time."""

import socket
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.config import conninfo
from tests.integration.exporter.running import Exporter, write_config
from tests.support import forks, impostors
from tests.support.servers import Server

SECRET = "backup-pw-XYZZY"
# Linux takes it for this machine, and it is no loopback address: as far as we can tell, somebody else's.
ELSEWHERE = "0.0.0.0"  # noqa: S104


def configure(folder: Path, port: int, *, patience: str = "2m", **settings: Any) -> Path:
    """A plan that gives a server up after ``patience``."""
    (folder / "password").write_text(SECRET)
    (folder / "password").chmod(0o600)
    server = {"port": port, "password_file": folder / "password", "wal": {"enabled": False}, **settings}
    document = {
        "servers": {"main": server},
        "plans": {"p": {"server": "main", "backup_type": "logical", "first_byte_timeout": patience}},
        "storages": {"disk": {"path": folder / "store"}},
    }
    return write_config(folder / "pgbackstop.yaml", document)


def run(file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = forks.run("--config", str(file), *arguments)
    assert "bug" not in done.stderr
    return done


@pytest.mark.parametrize(("host", "told"), [(ELSEWHERE, False), ("127.0.0.1", True)])
def test_who_asks_for_the_password_in_clear_text(tmp_path: Path, host: str, told: bool) -> None:
    heard: list[bytes] = []

    def converse(client: socket.socket) -> None:
        client.sendall(impostors.ASKS_FOR_CLEAR_TEXT)
        heard.append(client.recv(1000))

    with impostors.listening(converse) as port:
        file = configure(tmp_path, port, host=host)
        checked, backed_up = run(file, "check"), run(file, "backup", "p")
        with Exporter(file) as exporter:
            exporter.until(lambda: exporter.logged("collector failed", collector="postgres:main"))
    assert (SECRET.encode() in b"".join(heard)) is told
    assert checked.returncode == 3
    assert backed_up.returncode == 6
    if not told:
        assert f"What answers at {host}:{port} asks for the password in clear text" in checked.stdout
        assert "sslmode prefer" in checked.stderr


@pytest.mark.parametrize(
    ("host", "sslmode", "methods"),
    [
        ("db.example.com", "prefer", "scram-sha-256,md5,gss,sspi,none"),
        ("10.0.0.1", "verify-ca", "scram-sha-256,md5,gss,sspi,none"),
        ("127.0.0.1,10.0.0.1", "disable", "scram-sha-256,md5,gss,sspi,none"),
        ("db.example.com", "verify-full", ""),
        ("127.0.0.2", "disable", ""),
        ("::1", "prefer", ""),
        ("localhost", "prefer", ""),
        ("/var/run/postgresql", "prefer", ""),
    ],
)
def test_what_is_required_of_whom(host: str, sslmode: str, methods: str) -> None:
    assert conninfo.required_methods({"host": host, "sslmode": sslmode}) == methods


def test_what_an_impostor_says_is_bounded_and_orders_nothing(tmp_path: Path) -> None:
    words = "\x1b[2J\x1b]0;owned\x07" + "x" * 20_000  # libpq takes no more before the log-in
    with impostors.listening(lambda client: client.sendall(impostors.error(words))) as port:
        done = run(configure(tmp_path, port), "check")
    assert done.returncode == 3
    assert "\x1b" not in done.stdout + done.stderr
    assert r"\u001b[2J" in done.stdout
    assert len(done.stdout) < 10_000


def drip(client: socket.socket) -> None:
    """Notices for ever, and no answer."""
    client.sendall(impostors.AUTHENTICATED + impostors.READY)
    while True:
        fields = b"SNOTICE\0VNOTICE\0C00000\0Mwait\0\0"
        client.sendall(b"N" + struct.pack("!i", len(fields) + 4) + fields)
        time.sleep(0.1)


def flood(client: socket.socket) -> None:
    """Rows for ever."""
    client.sendall(impostors.AUTHENTICATED + impostors.READY)
    client.recv(10_000)
    column = b"name\0" + struct.pack("!ihihih", 0, 0, 25, -1, -1, 0)
    row = b"D" + struct.pack("!ihi", 4 + 2 + 4 + 100_000, 1, 100_000) + b"x" * 100_000
    client.sendall(b"1\0\0\0\x04" + b"2\0\0\0\x04" + b"T" + struct.pack("!ih", 6 + len(column), 1) + column)
    while True:
        client.sendall(row * 20)


@pytest.mark.parametrize("converse", [drip, flood])
def test_a_check_ends(tmp_path: Path, converse: impostors.Conversation) -> None:
    with impostors.listening(converse) as port:
        done = run(configure(tmp_path, port, patience="3s"), "check")
    assert done.returncode == 3
    assert "NO" in done.stdout


def test_a_real_server_elsewhere_lets_tools_and_sessions_in(pg17: Server, tmp_path: Path) -> None:
    """With SCRAM, which is required then."""
    password = pg17.password_file
    file = configure(tmp_path, pg17.port, host=ELSEWHERE, user="postgres", password_file=password,
                     bin_dir=pg17.programs.folder)  # fmt: skip
    assert run(file, "check").returncode == 0
    done = run(file, "backup", "p", "--database", "postgres")
    assert done.returncode == 0, done.stderr
