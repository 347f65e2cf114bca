"""A forked command is what a started one is."""

import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.support import forks, storages
from tests.support.backups import COMMAND

CONFIG = """\
servers: {main: {host: 127.0.0.1, port: 1, wal: {enabled: false}}}
storages: {disk: {path: store}}
plans: {daily: {server: main, backup_type: logical, databases: [shop]}}
"""


@pytest.mark.parametrize(
    ("words", "code"),
    [(["list", "--json"], 0), (["show", "nothing"], 7), (["backup", "daily"], 6), (["no-command"], 2)],
    ids=str,
)
def test_it_says_and_ends_as_one_that_was_started(tmp_path: Path, words: list[str], code: int) -> None:
    (tmp_path / "pgbackstop.yaml").write_text(CONFIG)
    storages.create_for(tmp_path / "pgbackstop.yaml")
    forked = forks.run(*words, cwd=tmp_path)
    started = subprocess.run([*COMMAND, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert forked.returncode == started.returncode == code
    assert (forked.stdout, untimed(forked.stderr)) == (started.stdout, untimed(started.stderr))


def untimed(said: str) -> str:
    """Without the log's lines, which have the time in them, and without that of ids."""
    lines = (line for line in said.splitlines() if not line.startswith("timestamp="))
    return re.sub(r"\d{8}T\d{6}Z-[0-9a-f]+", "ID", "\n".join(lines))


def test_the_environment_is_the_one_that_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.yaml").write_text(CONFIG)
    monkeypatch.setenv("PGBACKSTOP_CONFIG", "nowhere.yaml")
    assert "nowhere.yaml" in forks.run("list", cwd=tmp_path).stderr
    given = os.environ | {"PGBACKSTOP_CONFIG": "other.yaml"}
    assert "The catalog is not there" in forks.run("list", cwd=tmp_path, env=given).stderr


@pytest.mark.parametrize("name", ["PYTHONOPTIMIZE", "LC_ALL", "LD_PRELOAD", "TZ"])
def test_what_python_reads_when_it_starts_is_obeyed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert forks.can_fork(os.environ)
    assert not forks.can_fork(os.environ | {name: "another"})
    monkeypatch.setenv(name, "another")  # as a test does that gives none
    assert not forks.can_fork(os.environ)


@pytest.mark.parametrize("forked", [True, False])
def test_a_constant_is_another_in_a_fork_alone(tmp_path: Path, forked: bool) -> None:
    (tmp_path / "pgbackstop.yaml").write_text(CONFIG)
    pauses = {"pgbackstop_runner.terminal._MOST_LETTERS": 12}
    with forks.start("list", cwd=tmp_path, pauses=pauses, forked=forked) as process:
        said = process.communicate()[1]
    assert said.splitlines()[0].startswith("pgbackstop:")
    assert ("The catalog is not there" in said) is not forked


def test_it_is_waited_for_and_ended_as_any_process(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        config = CONFIG.replace("port: 1,", f"port: {silent.getsockname()[1]},")
        (tmp_path / "pgbackstop.yaml").write_text(config)
        with forks.start("check", cwd=tmp_path) as process, silent.accept()[0]:
            process.send_signal(signal.SIGSTOP)  # before it has waited long enough for an answer
            assert process.poll() is None
            with pytest.raises(subprocess.TimeoutExpired):
                process.communicate(timeout=0.01)
            process.kill()
            process.communicate()
    assert process.returncode == -signal.SIGKILL
