"""Ctrl-C while the programs are still being imported."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("program", "imported"), [("pgbackstop_runner", "typer"), ("pgbackstop_exporter", "aiohttp")]
)
def test_it_ends_without_a_traceback(program: str, imported: str, tmp_path: Path) -> None:
    """The first large module that each imports is where the signal arrives."""
    stand_in = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"
    (tmp_path / f"{imported}.py").write_text(stand_in)
    done = subprocess.run(
        [sys.executable, "-c", f"from {program} import start; start.run()"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert (done.returncode, done.stderr, done.stdout) == (-signal.SIGINT, "", "")


def test_it_is_an_error_of_ours_from_then_on() -> None:
    code = (
        "import os, signal; from pgbackstop_runner import main, start;"
        "main.app = lambda: os.kill(os.getpid(), signal.SIGINT); start.run()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (130, b"")


@pytest.mark.parametrize("program", ["pgbackstop_runner", "pgbackstop_exporter"])
def test_windows_is_refused_in_a_sentence_before_anything_is_imported(program: str) -> None:
    code = f"import sys; sys.platform = 'win32'; from {program} import start; start.run()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert "runs on Linux" in done.stderr
    assert "docs/how-to/work-from-windows.md" in done.stderr
    assert (ROOT / "docs/how-to/work-from-windows.md").is_file()


def test_a_short_command_does_not_look_for_garbage() -> None:
    """Neither among what it imports nor at its end: a fifth of the CPU of a command that reads."""
    code = (
        "import atexit, gc, sys\n"
        "atexit.register(lambda: print(gc.get_stats()[2]['collections'], gc.get_freeze_count() > 10_000))\n"
        "from pgbackstop_runner import start\n"
        "sys.argv = ['pgbackstop', '--version']\n"
        "start.run()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1:] == ["0 True"]
