"""Keys of the age format for tests, made as a person makes them."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgbackstop_catalog.config.storage import Encryption
from pgbackstop_runner.storage import age_keys


@dataclass(frozen=True)
class Keys:
    """An identity, and the file of recipients with its public key."""

    identity: Path
    recipients: Path

    def settings(self, *, reads: bool = True, writes: bool = True) -> dict[str, Any]:
        """As they stand in the configuration."""
        found: dict[str, Any] = {"recipients_file": str(self.recipients)} if writes else {}
        return found | ({"identity_files": [str(self.identity)]} if reads else {})

    def encryption(self, *, reads: bool = True, writes: bool = True) -> Encryption:
        return Encryption.model_validate(self.settings(reads=reads, writes=writes))


def generated(folder: Path) -> Keys:
    """New ones in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    public = age_keys.generate(folder / "identity.txt")
    (folder / "recipients.txt").write_text(f"# for restores\n{public}\n")
    return Keys(identity=folder / "identity.txt", recipients=folder / "recipients.txt")


def ssh(folder: Path, kind: str = "ed25519", passphrase: str = "") -> Keys:
    """Of OpenSSH."""
    identity = folder / f"id_{kind}"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "somebody@host", "-f", identity], check=True
    )
    return Keys(identity=identity, recipients=folder / f"id_{kind}.pub")
