"""Which SFTP server is believed, and how it lets in; no key and no password is in a message."""

import asyncio
import os
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from pgbackstop_catalog import errors
from pgbackstop_runner.storage.protocol import StoreError
from pgbackstop_runner.storage.sftp import SftpStore
from tests.support.sftp_server import SftpServer


def public_key(path: Path) -> str:
    return path.with_name(f"{path.name}.pub").read_text().strip()


def new_key(path: Path, passphrase: str | None = None) -> Path:
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(path, passphrase=passphrase)
    key.write_public_key(path.with_name(f"{path.name}.pub"))
    return path


def test_known_hosts_say_who_is_believed(sftp: SftpServer, tmp_path: Path) -> None:
    """A file that ssh-keyscan wrote, and one that has another host's key."""
    scan = ["ssh-keyscan", "-p", str(sftp.port), "127.0.0.1"]
    known = tmp_path / "known_hosts"
    known.write_bytes(subprocess.run(scan, check=True, capture_output=True).stdout)
    wanted: dict[str, Any] = {"host_keys": (), "known_hosts_file": known}
    SftpStore.connect("offsite", sftp.storage(f"files/{tmp_path.name}", **wanted)).put_bytes(b"", "mark")

    known.write_text(f"[127.0.0.1]:{sftp.port} {public_key(new_key(tmp_path / 'other'))}\n")
    wanted["user"] = f"{sftp.user}2"  # another account: no connection of before
    with pytest.raises(StoreError, match=r"did not show a key that .*known_hosts names") as refused:
        SftpStore.connect("offsite", sftp.storage(**wanted)).put_bytes(b"", "mark")
    assert "ssh-keyscan" in refused.value.remedy
    known.write_text("")
    with pytest.raises(StoreError, match=r"did not show a key that .*known_hosts names"):
        SftpStore.connect("offsite", sftp.storage(**wanted)).put_bytes(b"", "mark")


@pytest.mark.parametrize(
    ("kind", "words"),
    [("ssh-ed25519", "did not show a key that host_keys names"), ("ssh-rsa", "cannot be used")],
)
def test_another_host_key_is_never_accepted(sftp: SftpServer, tmp_path: Path, kind: str, words: str) -> None:
    """Also where the pinned one is of another kind; the server then hangs up, or we do."""
    other = asyncssh.generate_private_key(kind).export_public_key().decode()
    store = SftpStore.connect("offsite", sftp.storage(f"files/{tmp_path.name}", host_keys=(other,)))
    with pytest.raises(StoreError, match=words) as refused:
        store.put_bytes(b"secret", "mark")
    assert "key" in refused.value.remedy
    assert not Path(store.storage.folder).exists()


def test_one_of_several_host_keys_is_enough(sftp: SftpServer, tmp_path: Path) -> None:
    keys = (public_key(new_key(tmp_path / "next")), public_key(sftp.folder / "host_key"))
    store = SftpStore.connect("offsite", sftp.storage(f"files/{tmp_path.name}", host_keys=keys))
    store.put_bytes(b"mark", "a/mark")
    assert store.read("a/mark") == b"mark"


def test_a_key_that_is_not_let_in(sftp: SftpServer, tmp_path: Path) -> None:
    store = SftpStore.connect("offsite", sftp.storage(key_file=new_key(tmp_path / "key")))
    with pytest.raises(StoreError, match=f"does not let {sftp.user} in by this key") as refused:
        store.mark()
    assert "authorized_keys" in refused.value.remedy


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file"),
        ("nonsense", "holds no private key"),
        ("public", "holds no private key"),
        ("passphrase", "has a passphrase"),
    ],
)
def test_a_key_file_that_cannot_be_used(
    sftp: SftpServer, tmp_path: Path, content: str | None, words: str
) -> None:
    path = tmp_path / "key"
    if content == "nonsense":
        path.write_text("AAAAsecret")
    elif content == "public":
        path.write_text(public_key(sftp.folder / "client_key"))
    elif content == "passphrase":
        new_key(path, "some words")
    with pytest.raises(errors.ConfigError, match=words) as refused:
        SftpStore.connect("offsite", sftp.storage(key_file=path))
    assert "AAAA" not in str(refused.value)


class Passwords(asyncssh.SSHServer):
    """asyncssh's own server, for passwords alone: OpenSSH would need an account of this machine for each."""

    def __init__(self, connections: list[asyncssh.SSHServerConnection]) -> None:
        self._connections = connections

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("backup", "right words")


@pytest.fixture
def by_password(sftp: SftpServer, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Settings of a storage on a server that wants a password."""
    started: Future[tuple[asyncio.AbstractEventLoop, int]] = Future()
    connections: list[asyncssh.SSHServerConnection] = []
    over = asyncio.Event()
    (tmp_path / "there").mkdir()

    def factory(channel: asyncssh.SSHServerChannel[bytes]) -> asyncssh.SFTPServer:
        return asyncssh.SFTPServer(channel, chroot=os.fsencode(tmp_path / "there"))

    async def serve() -> None:
        keys = [str(sftp.folder / "host_key")]
        server = await asyncssh.create_server(
            lambda: Passwords(connections), "127.0.0.1", 0, server_host_keys=keys, sftp_factory=factory
        )
        started.set_result((asyncio.get_running_loop(), server.get_port()))
        await over.wait()
        server.close()
        for each in connections:
            each.abort()
            await each.wait_closed()
        await server.wait_closed()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    loop, port = started.result(60)
    password = tmp_path / "password"
    yield {"port": port, "user": "backup", "folder": "/", "key_file": None, "password_file": password}
    loop.call_soon_threadsafe(over.set)
    thread.join()


def test_a_password(sftp: SftpServer, by_password: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "password").write_text("wrong words\n")
    storage = sftp.storage(**by_password)
    with pytest.raises(StoreError, match="does not let backup in by this password") as refused:
        SftpStore.connect("offsite", storage).mark()
    assert "wrong words" not in str(refused.value)
    (tmp_path / "password").write_text("right words\n")  # which is seen without a restart
    SftpStore.connect("offsite", storage).put_bytes(b"bytes", "a/file")
    assert (tmp_path / "there" / "a" / "file").read_bytes() == b"bytes"
