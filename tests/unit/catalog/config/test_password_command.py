"""Programs that print a password: what is taken of what they say, and what is told of their failures."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import conninfo, password_command
from pgbackstop_catalog.config.server import RestoreRole, Server
from tests.support.backups import until


def shell(script: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", script)


def has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(
    ("said", "password"),
    [("token\\n", "token"), ("token", "token"), ("a b \\r\\nmore\\n", "a b "), ("\\303\\274\\n", "ü")],
)
def test_the_first_line_is_the_password(said: str, password: str) -> None:
    assert password_command.password(("printf", said)) == password


def test_no_shell_reads_it() -> None:
    assert password_command.password(("echo", "$HOME; `id`")) == "$HOME; `id`"


def test_what_it_left_behind_is_not_waited_for() -> None:
    """Its pid is what this one prints: it lives on, and has our output open."""
    pid = int(password_command.password(shell("sleep 600 & echo $!")))
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (shell("echo s3cret; echo s3cret >&2; exit 3"), "/bin/sh ended with exit status 3."),
        (shell("echo s3cret; kill -9 $$"), "/bin/sh ended with exit status -9."),
        (("/nowhere/token", "s3cret"), "/nowhere/token cannot be started: No such file or directory."),
        (("true", "s3cret"), "true printed nothing."),
        (shell("echo; echo s3cret"), "/bin/sh printed nothing."),
        (("printf", "s3cret\\377"), "printf prints no UTF-8 text."),
    ],
)
def test_a_failure_is_one_sentence_without_the_secret(argv: Sequence[str], told: str) -> None:
    with pytest.raises(errors.ConfigError) as caught:
        password_command.password(argv)
    assert caught.value.problem == f"The password command {told}"
    assert "by hand" in caught.value.remedy
    assert "s3cret" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_one_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    argv = shell(f"sleep 600 & echo $! > {pid}; wait")
    with pytest.raises(errors.ConfigError, match=r"took longer than 3.0s and was ended\."):
        password_command.password(argv, seconds=3.0)
    sleeper = int(pid.read_text())
    # Nobody waits for a grandchild: the kernel ends it when it comes to that.
    until(lambda: has_ended(sleeper), "its end")


def test_each_connection_asks_anew(tmp_path: Path) -> None:
    count = tmp_path / "count"
    server = Server(password_command=shell(f"echo >> {count}; wc -l < {count}"))
    assert [conninfo.password(server) for _ in range(3)] == ["1", "2", "3"]


def test_who_restores_has_a_command_of_its_own() -> None:
    role = RestoreRole(user="boss", password_command=("echo", "theirs"))
    server = Server(password_command=("echo", "ours"), restore_role=role)
    assert conninfo.password(server.for_restores()) == "theirs"
    plain = Server(password_command=("echo", "ours"), restore_role=RestoreRole(user="boss"))
    assert conninfo.password(plain.for_restores()) is None
