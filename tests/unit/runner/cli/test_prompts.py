"""Commands that ask a person, where nobody is there: a sentence, never a bug."""

import subprocess
import sys
from pathlib import Path

import pytest

from pgbackstop_catalog import errors

CONFIG = """\
servers: {main: {}}
storages: {disk: {path: store}}
plans: {base: {server: main, backup_type: physical}}
"""


def without_input(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The program with its standard input closed, as some schedulers start it."""
    (folder / "pgbackstop.yaml").write_text(CONFIG)
    program = [sys.executable, "-m", "pgbackstop_runner.main", "--config", str(folder / "pgbackstop.yaml")]
    argv = ["sh", "-c", 'exec "$@" <&-', "sh", *program, *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("recover",), errors.ConfigError.exit_code, "not said which is the directory"),
        (("restore",), errors.NotFound.exit_code, "no logical backup"),
        (
            ("recover", "--into", "/new", "--tablespace", "²=/x"),
            errors.ConfigError.exit_code,
            "names no tablespace",
        ),
    ],
)
def test_nobody_is_asked(tmp_path: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    assert without_input(tmp_path, "storage", "create").returncode == 0
    done = without_input(tmp_path, *arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
