"""Processes are found by what the kernel says, and ended by their own id."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pgbackstop_runner.system import processes
from tests.support.backups import PATIENCE, until


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path) as process:
        yield process
        process.kill()


def test_a_process_is_not_mistaken_for_a_later_one_of_its_number(sleeper: subprocess.Popen[bytes]) -> None:
    who = processes.identify(sleeper.pid)
    assert who is not None
    impostor = processes.Identity(pid=who.pid, started=who.started - 1)
    assert processes.end_all([impostor]) == []
    assert sleeper.poll() is None
    assert processes.end_all([who]) == [who]
    assert sleeper.wait() == -signal.SIGTERM


def test_one_that_ignores_the_polite_signal_is_killed(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True)"]
    argv[-1] += "; time.sleep(60)"
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as stubborn:
        assert stubborn.stdout is not None
        stubborn.stdout.readline()
        who = processes.identify(stubborn.pid)
        assert who is not None
        processes.end_all([who], seconds=0.3)
        assert stubborn.wait() == -signal.SIGKILL


def test_a_zombie_does_not_exist() -> None:
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
        assert not processes.exists(process.pid)
        assert processes.identify(process.pid) is None
    assert processes.exists(os.getpid())


def test_finds_who_works_in_a_folder(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    assert [who.pid for who in processes.working_in(tmp_path)] == [sleeper.pid]
    (tmp_path / "link").symlink_to(tmp_path)
    # A link may lead to the folder of somebody whose processes are not to be ended.
    assert processes.working_in(tmp_path / "link") == []
    assert processes.working_in(tmp_path / "other") == []
    assert sleeper.pid in [who.pid for who in processes.children()]


def test_what_a_family_has_read_is_counted() -> None:
    """By a child that works, and still when it has ended."""
    script = (
        "head -c 300000 /dev/zero > /dev/null; echo; read -r _; sh -c 'head -c 300000 /dev/zero; read -r _'"
    )
    with subprocess.Popen(
        ["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdin is not None
            process.stdout.readline()
            first = processes.bytes_read(process.pid)
            assert first is not None
            assert first >= 300_000
            process.stdin.write("\n")
            process.stdin.flush()
            process.stdout.read(300_000)
            until(lambda: (processes.bytes_read(process.pid) or 0) >= first + 300_000, "what the second read")
        finally:
            process.kill()
    assert processes.bytes_read(process.pid) is None


def test_a_part_dies_with_us_and_its_orphans_are_ours(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from pgbackstop_runner.system import prctl, processes
        prctl.adopt_orphans()
        log = Path(sys.argv[1])
        part = processes.start(["sh", "-c", "sleep 61 & echo $!"], log=log)
        part.wait()
        orphan = int(log.read_text())
        assert [who.pid for who in processes.children()] == [orphan]
        processes.end_all(processes.children())
        processes.reap()
        lasting = processes.start(["sleep", "62"], log=log)
        print(orphan, lasting.pid, flush=True)
        time.sleep(60)
    """)
    argv = [sys.executable, "-c", program, str(tmp_path / "log")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        orphan, lasting = map(int, parent.stdout.readline().split())
        assert not psutil.pid_exists(orphan)
        assert processes.exists(lasting)
        parent.kill()
    until(lambda: not processes.exists(lasting), "the end of the part")


def test_a_part_hears_ctrl_c_even_when_we_ignore_it(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        part = processes.start(["sleep", "60"], log=tmp_path / "log")
    finally:
        signal.signal(signal.SIGINT, before)
    processes.stop(part, (signal.SIGINT,), seconds=PATIENCE)
    assert part.poll() == -signal.SIGINT


def test_the_environment_does_not_say_how_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "elsewhere")
    monkeypatch.setenv("LC_MESSAGES", "de_DE.UTF-8")
    found = processes.environment()
    assert "PGHOST" not in found
    assert "LC_MESSAGES" not in found
    assert (found["LC_ALL"], found["PATH"]) == ("C", os.environ["PATH"])


def test_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert processes.tail(log) == "it said nothing"
    log.write_text("one\ntwo\n\n  three\nfour\n")
    assert processes.tail(log) == "two / three / four"
