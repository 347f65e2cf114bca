"""``pgbackstop key generate``: the public key for programs, the advice for people, the secret for neither."""

import subprocess
from pathlib import Path

from pgbackstop_catalog import errors
from tests.support import forks


def generate(file: Path) -> subprocess.CompletedProcess[str]:
    return forks.run("key", "generate", str(file))


def test_the_secret_is_in_the_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "identity"
    done = generate(file)
    assert done.returncode == 0, done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    assert done.stdout.startswith("age1")
    assert f"# public key: {done.stdout}" in file.read_text()
    assert "AGE-SECRET-KEY-1" in file.read_text()
    assert "AGE-SECRET-KEY" not in done.stdout + done.stderr
    for word in ("recipients_file", "identity_files", "paper", str(file)):
        assert word in done.stderr


def test_a_key_is_never_replaced(tmp_path: Path) -> None:
    file = tmp_path / "identity"
    generate(file)
    before = file.read_bytes()
    done = generate(file)
    assert done.returncode == errors.ConfigError.exit_code
    assert "is there already" in done.stderr
    assert file.read_bytes() == before
