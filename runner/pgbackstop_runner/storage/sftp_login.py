"""Who is spoken to over SFTP, and as whom: what the configuration says, as asyncssh takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncssh

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.storage import SftpStorage
from pgbackstop_runner.storage import secret_files

# What the server, or its key, will say again.
LASTING = (
    asyncssh.HostKeyNotVerifiable,
    asyncssh.PermissionDenied,
    asyncssh.SFTPNoSpaceOnFilesystem,
    asyncssh.SFTPNoSuchFile,
    asyncssh.SFTPOpUnsupported,
    asyncssh.SFTPPermissionDenied,
    asyncssh.SFTPQuotaExceeded,
    asyncssh.SFTPWriteProtect,
)


def options(storage: SftpStorage) -> dict[str, Any]:
    """Raises ConfigError for files of keys that cannot be used."""
    return {
        "host": storage.host,
        "port": storage.port,
        "username": storage.user,
        "known_hosts": _known_hosts(storage),
        **(_by_key(storage.key_file) if storage.key_file else _by_password(storage.password_file)),
    }


def _known_hosts(storage: SftpStorage) -> Any:
    """Whom to believe; never nobody, which asyncssh takes for everybody."""
    if storage.known_hosts_file is None:
        return [_host_key(each) for each in storage.host_keys], [], []
    text = secret_files.text(storage.known_hosts_file)
    try:
        return asyncssh.import_known_hosts(text)
    except ValueError as error:
        raise errors.ConfigError(
            f"{storage.known_hosts_file} is no file of known hosts: {error}.",
            remedy="Write it as OpenSSH does: 'ssh-keyscan HOST' prints lines of it.",
        ) from error


def _host_key(text: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_public_key(text)
    except asyncssh.KeyImportError as error:
        raise errors.ConfigError(
            f"The host key {text[:40]}… cannot be used: {error}.",
            remedy="Take what 'ssh-keyscan HOST' prints after the host's name.",
        ) from error


def _by_key(path: Path) -> dict[str, Any]:
    try:
        key = asyncssh.import_private_key(secret_files.text(path))
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        if "passphrase" in str(error).lower():
            raise errors.ConfigError(
                f"The key file {path} has a passphrase, and nobody is there to be asked.",
                remedy="Make a key for this alone: ssh-keygen -t ed25519 -N '' -f FILE.",
            ) from error
        # Without what it says, which may quote the key.
        raise errors.ConfigError(
            f"The key file {path} holds no private key that can be used.",
            remedy="Name the file that ssh-keygen wrote, not its .pub.",
        ) from error
    return {"client_keys": [key], "preferred_auth": "publickey"}


def _by_password(path: Path | None) -> dict[str, Any]:
    password = secret_files.first_line(path) if path else None
    return {"client_keys": None, "password": password, "preferred_auth": "password,keyboard-interactive"}


def explained(error: Exception, storage: SftpStorage) -> tuple[str, str]:
    """What went wrong, and what to do."""
    if isinstance(error, asyncssh.HostKeyNotVerifiable | asyncssh.KeyExchangeFailed):
        known = storage.known_hosts_file or "host_keys"
        return (
            f"{storage.host} did not show a key that {known} names ({error}); nothing was sent",
            f"Compare 'ssh-keyscan -p {storage.port} {storage.host}' with what the server's owner says: it "
            "has another key since, or somebody answers in its place.",
        )
    if isinstance(error, asyncssh.PermissionDenied):
        how = "password" if storage.key_file is None else "key"
        return (
            f"{storage.host} does not let {storage.user} in by this {how}",
            f"Check user and the {how}; a key's public half belongs into authorized_keys there.",
        )
    if isinstance(error, asyncssh.SFTPOpUnsupported):
        return (
            "the server cannot replace a file by renaming (posix-rename@openssh.com)",
            "Use OpenSSH's server, or another that can.",
        )
    said = errors.one_line(str(error)) or f"no answer from {storage.host}"
    if isinstance(error, asyncssh.SFTPError):
        return said, "Check that the folder is there, its owner and mode, and the free space on that host."
    return said, "Check host, port and host keys, and the network between here and there."
