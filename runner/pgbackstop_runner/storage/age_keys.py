"""Keys of the age format: for whom files are encrypted, and who can open them. No key is ever in a message.

https://github.com/C2SP/C2SP/blob/main/age.md
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyrage  # type: ignore[import-untyped]

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import format_time, utc_now
from pgbackstop_runner.storage import secret_files

_SECRET = "AGE-SECRET-KEY-"  # noqa: S105 - how one begins
_BY_PASSPHRASE = ("age-encryption.org/", "-----BEGIN AGE ENCRYPTED FILE")


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """A public key; ``fingerprint`` tells it from others: itself for age, what ssh-keygen -l says for SSH."""

    key: Any = field(repr=False)
    fingerprint: str


def recipients(path: Path) -> tuple[Recipient, ...]:
    """Those that a file lists. Raises ConfigError where it cannot be read, has none, or anything else."""
    found = []
    for number, line in enumerate(secret_files.text(path).splitlines(), start=1):
        words = line.strip()
        if words and not words.startswith("#"):
            found.append(_recipient(words, f"{path}, line {number}"))
    if not found:
        raise errors.ConfigError(
            f"{path} lists no recipient: nobody could read what is encrypted.",
            remedy="Write the public key that 'pgbackstop key generate' prints into it.",
        )
    return tuple(found)


def _recipient(words: str, where: str) -> Recipient:
    if words.upper().startswith(_SECRET):
        raise errors.ConfigError(
            f"{where} is a secret key, where a public one belongs.",
            remedy="Take it out: whoever reads that file can read the copies. Put its public key there.",
        )
    try:
        if words.startswith("age1"):
            return Recipient(key=pyrage.x25519.Recipient.from_str(words), fingerprint=words)
        key = pyrage.ssh.Recipient.from_str(words)
        blob = hashlib.sha256(base64.b64decode(words.split()[1])).digest()
    except (pyrage.RecipientError, ValueError, IndexError) as error:
        raise errors.ConfigError(
            f"{where} is no public key that can be encrypted for.",
            remedy="Write one of age (age1…), or of SSH (ssh-ed25519 …, ssh-rsa …), on each line.",
        ) from error
    return Recipient(key=key, fingerprint=f"SHA256:{base64.b64encode(blob).decode().rstrip('=')}")


def identities(paths: Iterable[Path]) -> tuple[Any, ...]:
    """The secret keys in these files. Raises ConfigError for one that cannot be read, or holds none."""
    return tuple(each for path in paths for each in _identities(path))


def _identities(path: Path) -> list[Any]:
    text = secret_files.text(path)
    why = "holds no secret key"
    try:
        if text.lstrip().startswith("-----BEGIN"):
            return [pyrage.ssh.Identity.from_buffer(text.encode())]
        lines = (line.strip() for line in text.splitlines())
        keys = [line for line in lines if line and not line.startswith("#")]
        if keys:
            return [pyrage.x25519.Identity.from_str(key) for key in keys]
    except (pyrage.IdentityError, ValueError) as error:
        if text.startswith(_BY_PASSPHRASE) or "decrypted first" in str(error):
            why = "has a passphrase, and nobody is there to be asked"
    raise errors.ConfigError(  # without what pyrage said, which may quote the key
        f"The identity file {path} {why}.",
        remedy="Name a file of 'pgbackstop key generate' or age-keygen, or an SSH key without a passphrase.",
    )


def generate(path: Path) -> str:
    """Write a new identity into a new file, mode 0600; returns its public key. Raises ConfigError."""
    identity = pyrage.x25519.Identity.generate()
    public = str(identity.to_public())
    lines = f"# created: {format_time(utc_now())}\n# public key: {public}\n{identity}\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError as error:
        raise errors.ConfigError(
            f"{path} is there already; a key that is lost is never made again.", remedy="Name another file."
        ) from error
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise _unwritable(path, error) from error
    return public


def _unwritable(path: Path, error: OSError) -> errors.ConfigError:
    return errors.ConfigError(f"{path} cannot be written: {error.strerror}.", remedy="Name another file.")
