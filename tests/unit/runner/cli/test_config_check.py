"""``pgbackstop config check``: files of keys of storages are read, and what is wrong is one sentence."""

import subprocess
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from tests.support import forks

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPiQb8zQvuYBCjPlLWnm1xD6VMn4oY2ggQrYVLkV3Cqz"
SFTP = f"kind: sftp, host: backup.example.com, user: backup, folder: backups, host_keys: ['{HOST_KEY}']"


def check(folder: Path, storage: str) -> subprocess.CompletedProcess[str]:
    file = folder / "pgbackstop.yaml"
    file.write_text(
        f"servers: {{main: {{}}}}\nstorages:\n  disk: {{path: store}}\n  offsite: {{{storage}}}\n"
    )
    return forks.run("--config", str(file), "config", "check")


@pytest.mark.parametrize(
    ("storage", "words"),
    [
        (f"{SFTP}, key_file: key", "/key holds no private key that can be used"),
        (f"{SFTP}, key_file: absent", "/absent cannot be read: No such file or directory"),
        (f"{SFTP}, password_file: empty", "The first line of"),
        (SFTP, "storages.offsite: must say how to log in"),
        (f"{SFTP}, key_file: key, port: 70000", "storages.offsite.port: input should be less than"),
        (f"{SFTP}, password: words", "storages.offsite.password: a secret must not stand in this file"),
        ("kind: s3, bucket: b, ca_file: key", "Storage offsite cannot be used with these settings"),
        ("kind: azure, account: a, container: c, account_key_file: key", "Storage offsite cannot be used"),
        ("kind: gcs, bucket: b, credentials_file: key", "Storage offsite cannot be used"),
        ("kind: ftp", "kind must be folder or s3 or gcs or azure or sftp"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, storage: str, words: str) -> None:
    (tmp_path / "key").write_text("-----BEGIN secret")
    (tmp_path / "empty").write_text("\n")
    done = check(tmp_path, storage)
    assert done.returncode == errors.ConfigError.exit_code
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert "BEGIN secret" not in done.stdout + done.stderr


def test_what_is_right_asks_nobody(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("some words\n")
    done = check(tmp_path, f"{SFTP}, password_file: key")
    assert done.returncode == 0, done.stderr
    assert "right" in done.stdout
