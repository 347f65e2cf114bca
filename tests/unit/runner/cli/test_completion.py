"""The shell's completion as a program: names and real values, and that no key press waits for the model."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from tests.support import storages
from tests.support.factories import at, instant

PROGRAM = Path(sys.executable).with_name("pgbackstop")
CONFIG = """\
servers: {main: {}, "other": {}}
storages: {disk: {path: store}, disk2: {path: store2}}
plans:
  daily: {server: main, backup_type: logical}
  weekly: {server: main, backup_type: physical}
"""
SHELLS = ("bash", "zsh", "fish")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pgbackstop.yaml").write_text(CONFIG)
    return tmp_path


def complete(folder: Path, words: str, shell: str = "bash", **more: str) -> subprocess.CompletedProcess[str]:
    """What the program answers to a shell; the last word is what stands at the cursor."""
    asked = {
        "_PGBACKSTOP_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": f"pgbackstop {words}",
        "COMP_CWORD": str(words.count(" ") + 1),
        "_TYPER_COMPLETE_ARGS": f"pgbackstop {words}",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    environment = {"PATH": os.environ["PATH"], **asked, **more}
    return subprocess.run([PROGRAM], cwd=folder, env=environment, capture_output=True, text=True, check=False)


def answers(folder: Path, words: str, **more: str) -> set[str]:
    return set(complete(folder, words, **more).stdout.split("\n")) - {""}


def record(folder: Path, hour: int) -> Backup:
    catalog = storages.catalog(folder / "store" / "catalog")
    made = instant(at(hour), plan="daily", status=Status.FAILED)
    catalog.put(made)
    return made


@pytest.mark.parametrize(
    ("words", "values"),
    [
        ("dr", {"drill"}),
        ("backup ", {"daily", "weekly"}),
        ("backup d", {"daily"}),
        ("list w", {"weekly"}),
        ("recover ", {"main", "other"}),
        ("drill ", {"daily", "weekly", "main", "other"}),
        ("wal receive o", {"other"}),
        ("storage create ", {"disk", "disk2"}),
        ("restore --plan ", {"daily", "weekly"}),
        ("storage ", {"create", "list"}),
    ],
)
def test_values_are_those_of_the_configuration(folder: Path, words: str, values: set[str]) -> None:
    assert answers(folder, words) == values


@pytest.mark.parametrize("command", ["show", "restore", "verify", "ack"])
def test_ids_are_those_on_record(folder: Path, command: str) -> None:
    made = [record(folder, hour) for hour in (1, 2)]
    assert {each.id for each in made} <= answers(folder, f"{command} ")
    assert answers(folder, f"{command} {made[0].id[:-2]}") == {made[0].id}


@pytest.mark.parametrize("given", ["-c elsewhere.yaml backup ", "--config elsewhere.yaml backup "])
def test_the_configuration_is_the_one_that_was_named(folder: Path, given: str) -> None:
    (folder / "elsewhere.yaml").write_text("servers: {shop: {}}\nstorages: {disk: {path: store}}\n")
    assert answers(folder, given) == {"shop-logical", "shop-physical"}
    assert answers(folder, "recover ", PGBACKSTOP_CONFIG="elsewhere.yaml") == {"shop"}


@pytest.mark.parametrize("content", [None, "", "[", "servers: 1\nplans: [x]\n", "plans: {1: {}, b: null}\n"])
def test_what_cannot_be_read_completes_to_nothing_and_says_nothing(folder: Path, content: str | None) -> None:
    file = folder / "pgbackstop.yaml"
    file.unlink()
    if content is not None:
        file.write_text(content)
    done = complete(folder, "backup x")
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("words", ["", "b", "backup ", "show "])
def test_no_key_press_waits_for_what_it_does_not_need(folder: Path, shell: str, words: str) -> None:
    record(folder, 1)
    done = complete(folder, words, shell, PYTHONPROFILEIMPORTTIME="1")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "typer" in imported
    assert imported & {"pydantic", "psycopg", "rich", "structlog", "jinja2", "aiohttp", "cronsim"} == set()
    assert done.stdout.strip()


def test_a_real_bash_fills_in_a_plan(folder: Path) -> None:
    script = """
    source <(_PGBACKSTOP_COMPLETE=source_bash "$1")
    COMP_WORDS=(pgbackstop backup d) COMP_CWORD=2
    _pgbackstop_completion "$1"
    echo "${COMPREPLY[@]}"
    """
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run(
        [bash, "--norc", "-c", script, "bash", str(PROGRAM)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("daily\n", "")


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_its_script(folder: Path, shell: str) -> None:
    done = subprocess.run(
        [PROGRAM],
        env={"PATH": os.environ["PATH"], "_PGBACKSTOP_COMPLETE": f"source_{shell}"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "_PGBACKSTOP_COMPLETE=complete_" + shell in done.stdout
