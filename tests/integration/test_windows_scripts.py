"""The scripts for Windows, run by Wine's cmd.exe; a script of Windows stands in for pgbackstop.

No Python for Windows is to be had from the registries, and Wine has no WSL: what is tried is how the scripts
ask, what they call, and with which exit code they end.
"""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import skips

SCRIPTS = Path(__file__).resolve().parents[2] / "packaging" / "windows"
# Says what it is called with, and writes it down; a variable with the name of its command is its exit code.
STAND_IN = "\r\n".join(
    (
        "@echo off",
        "echo pgbackstop %*",
        'echo %*>>"%~dp0calls"',
        *(
            f'if "%1"=="{verb}" if defined {verb} exit /b %{verb}%'
            for verb in ("status", "list", "backup", "restore")
        ),
        "exit /b 0",
        "",
    )
)
SECONDS = 240


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a Windows of our own; its processes are ended with it."""
    if platform.machine() != "x86_64":
        skips.platform_impossible("Wine runs programs of its own processor")
    if shutil.which("wine") is None:
        pytest.skip("wine is not installed")
    home = tmp_path_factory.mktemp("wine")
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    environment |= {"HOME": str(home), "WINEPREFIX": str(home / "prefix"), "WINEDEBUG": "-all"}
    environment |= {"WINEDLLOVERRIDES": "mscoree,mshtml=", "LC_ALL": "C.UTF-8"}
    subprocess.run(
        ["wine", "cmd", "/c", "exit"], env=environment, check=True, timeout=SECONDS, capture_output=True
    )
    yield environment
    server = shutil.which("wineserver") or "/usr/lib/wine/wineserver"
    subprocess.run([server, "--kill"], env=environment, check=False, timeout=SECONDS)
    subprocess.run([server, "--wait"], env=environment, check=False, timeout=SECONDS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The scripts, copied and set as the manual says. The stand-in is a process, as a program is."""
    folder = tmp_path / "a desk"
    shutil.copytree(SCRIPTS, folder)
    stand_in = tmp_path / "stand-in.bat"
    stand_in.write_bytes(STAND_IN.encode())
    (folder / "settings.bat").write_bytes(
        f"@set PGBACKSTOP=cmd.exe /d /c {windows_name(stand_in)}\r\n".encode()
    )
    return folder


def windows_name(path: Path) -> str:
    return "Z:" + str(path).replace("/", "\\")


class Script:
    """A script that runs; ``answer`` waits for its question, as a person would."""

    def __init__(self, wine: dict[str, str], script: Path, arguments: str = "", **variables: str) -> None:
        line = script.parent.parent / "line.bat"
        line.write_bytes(f'@"{windows_name(script)}" {arguments}\r\n'.encode())
        self._process = subprocess.Popen(
            ["wine", "cmd", "/c", windows_name(line)],
            env=wine | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._said = b""

    def answer(self, question: str, answer: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        while question.encode() not in self._said:
            said = os.read(self._process.stdout.fileno(), 4096)
            assert said, f"ended without asking {question!r}: {self._said!r}"
            self._said += said
        self._process.stdin.write(answer.encode() + b"\r\n")
        self._process.stdin.flush()
        self._said = b""

    def ended(self) -> tuple[int, str]:
        """The exit code, and what was said since the last answer."""
        rest, _ = self._process.communicate(timeout=SECONDS)
        return self._process.returncode, (self._said + rest).decode().replace("\r\n", "\n")


def calls(folder: Path) -> list[str]:
    file = folder.parent / "calls"
    return file.read_text().splitlines() if file.exists() else []


@pytest.mark.parametrize("name", ["status", "list", "backup", "restore"])
def test_arguments_and_the_exit_code_go_through_and_nothing_is_asked(
    wine: dict[str, str], folder: Path, name: str
) -> None:
    script = Script(wine, folder / f"{name}.bat", 'shop --database "o&rders x"', **{name: "9"})
    code, said = script.ended()
    assert code == 9
    assert "Press any key" not in said
    assert calls(folder) == [f'{name} shop --database "o&rders x"']


def test_a_status_that_was_double_clicked_stays_open(wine: dict[str, str], folder: Path) -> None:
    script = Script(wine, folder / "status.bat", status="1")
    script.answer("Press any key", "")
    assert script.ended()[0] == 1


def test_a_backup_asks_for_the_plan(wine: dict[str, str], folder: Path) -> None:
    script = Script(wine, folder / "backup.bat", status="1", backup="6")
    script.answer("Back up which plan?", "shop & orders")
    script.answer("Press any key", "")
    assert script.ended()[0] == 6
    assert calls(folder) == ["status", 'backup "shop & orders"']


def test_a_restore_shows_what_it_would_do_and_waits(wine: dict[str, str], folder: Path) -> None:
    script = Script(wine, folder / "restore.bat")
    script.answer("Restore which backup?", "2026")
    script.answer("Type yes to begin:", "yes")
    script.answer("Press any key", "")
    assert script.ended()[0] == 0
    assert calls(folder) == ["list --status available", 'restore "2026" --dry-run', 'restore "2026"']


@pytest.mark.parametrize("answer", ["no", "", "yes?"])
def test_a_restore_that_is_not_wanted_is_none(wine: dict[str, str], folder: Path, answer: str) -> None:
    script = Script(wine, folder / "restore.bat")
    script.answer("Restore which backup?", "2026")
    script.answer("Type yes to begin:", answer)
    script.answer("Press any key", "")
    assert script.ended()[0] == 2
    assert calls(folder) == ["list --status available", 'restore "2026" --dry-run']


def test_a_restore_that_cannot_be_is_not_begun(wine: dict[str, str], folder: Path) -> None:
    script = Script(wine, folder / "restore.bat", restore="7")
    script.answer("Restore which backup?", "2026")
    script.answer("Press any key", "")
    assert script.ended()[0] == 7


def test_without_settings_and_wsl_it_says_what_to_do(wine: dict[str, str], folder: Path) -> None:
    (folder / "settings.bat").unlink()
    code, said = Script(wine, folder / "list.bat", "shop").ended()
    assert code == 3
    assert "wsl --install" in said
    assert "settings.example.bat" in said
