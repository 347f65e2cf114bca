"""`pgbackstop schedule` as a program: a crontab, a folder of units, a folder of tasks."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from pgbackstop_runner.schedules import install, systemd
from tests.support import storages

ARGV = [sys.executable, "-m", "pgbackstop_runner.main"]
CONFIG = """\
servers: {main: {wal: {enabled: false}}}
storages: {disk: {path: store}}
plans: {shop: {server: main, backup_type: logical, schedule: "%s"}}
"""
OTHERS = "17 3 * * * /bin/true\n"
# The real one changes the account's own, and needs the group crontab: it is asked below, where it may be.
STAND_IN = """\
#!/bin/sh
case $1 in
-l) cat "$CRONTAB_FILE" 2>/dev/null || { echo "no crontab for me" >&2; exit 1; } ;;
-) cat >"$CRONTAB_FILE" ;;
*) exit 2 ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pgbackstop.yaml").write_text(CONFIG % "0 2 * * *")
    return tmp_path


def run(
    folder: Path, *arguments: str, env: Mapping[str, str] | None = None, wrap: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*wrap, *ARGV, "schedule", *arguments],
        cwd=folder,
        env={**os.environ, "TZ": "UTC", **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_crontab_gets_our_lines_new_ones_and_its_own_back(folder: Path) -> None:
    crontab, mine = folder / "crontab", {"CRONTAB_FILE": str(folder / "tab")}
    crontab.write_text(STAND_IN)
    crontab.chmod(0o755)
    mine["PATH"] = f"{folder}:{os.environ['PATH']}"
    (folder / "tab").write_text(OTHERS)
    for _ in range(2):
        done = run(folder, "install", "--cron", env=mine)
        assert done.returncode == 0, done.stderr
    assert "has it already" in done.stdout
    installed = (folder / "tab").read_text()
    assert installed.startswith(OTHERS)
    assert run(folder, "print", "--cron").stdout == installed.removeprefix(OTHERS)
    (folder / "pgbackstop.yaml").write_text(CONFIG % "0 9 * * *")
    assert run(folder, "install", "--cron", env=mine).returncode == 0
    assert "\n0 2 * * *" not in (folder / "tab").read_text()
    assert "\n0 9 * * *" in (folder / "tab").read_text()
    assert run(folder, "uninstall", "--cron", env=mine).returncode == 0
    assert (folder / "tab").read_text() == OTHERS


def test_times_count_from_the_install_where_there_is_a_catalog(folder: Path) -> None:
    done = run(folder, "install", "--systemd", "--into", "units")
    assert (done.returncode, "missed runs count from the first one" in done.stderr) == (0, True)
    storages.create_for(folder / "pgbackstop.yaml")
    done = run(folder, "install", "--systemd", "--into", "units")
    assert (done.returncode, done.stderr) == (0, "")
    noted = folder / "store" / "catalog" / "state" / "schedules"
    assert {f"{each.parent.name}/{each.name}" for each in noted.glob("*/*")} == {
        "backups/shop.json",
        "drills/shop.json",
    }


def test_a_command_of_the_block_is_what_it_says(folder: Path) -> None:
    lines = run(folder, "print", "--cron").stdout.splitlines()
    (line,) = (line for line in lines if line.endswith("backup shop --scheduled"))
    command = line.split(maxsplit=5)[5].replace("backup shop --scheduled", "config check")
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr


@pytest.mark.root
def test_debians_own_crontab_takes_the_lines(folder: Path) -> None:
    if shutil.which("crontab") is None:
        return  # the stand-in above takes what it is given; this is for the real one's own opinion
    # In a namespace of mounts of its own: the crontab of this host's root is not the test's.
    script = """
    mkdir -p /var/spool/cron && mount -t tmpfs none /var/spool/cron && mkdir -m 1730 /var/spool/cron/crontabs
    "$@" install --cron && crontab -l && "$@" uninstall --cron && crontab -l
    """
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", script, "sh", *ARGV, "schedule"],
        cwd=folder,
        env={**os.environ, "TZ": "UTC"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("The crontab is changed.") == 2
    assert done.stdout.count("backup shop --scheduled") == 1


def test_a_host_without_cron_is_told(folder: Path) -> None:
    (folder / "bin").mkdir()
    done = run(folder, "install", "--cron", env={"PATH": str(folder / "bin")})
    assert done.returncode == 2
    assert "crontab cannot be run" in done.stderr


def test_units_are_written_replaced_and_removed_and_no_others(folder: Path) -> None:
    into = folder / "units"
    into.mkdir()
    (into / "pgbackstop-mine.service").write_text("[Service]\n")
    assert run(folder, "install", "--systemd", "--into", "units", "--user", "root").returncode == 0
    assert {each.name for each in into.iterdir()} == {
        "pgbackstop-mine.service",
        *(
            f"pgbackstop-{job}.{kind}"
            for job in ("backup-shop", "drill-shop", "expire", "verify")
            for kind in ("service", "timer")
        ),
    }
    (folder / "pgbackstop.yaml").write_text((CONFIG % "0 2 * * *").replace("shop:", "other:"))
    done = run(folder, "install", "--systemd", "--into", "units")
    assert "removed: units/pgbackstop-backup-shop.timer" in done.stdout
    assert "enable --now pgbackstop-backup-other.timer" in done.stdout
    assert run(folder, "uninstall", "--systemd", "--into", "units").returncode == 0
    assert [each.name for each in into.iterdir()] == ["pgbackstop-mine.service"]


def test_a_unit_of_another_is_not_overwritten(folder: Path) -> None:
    into = folder / "units"
    into.mkdir()
    (into / "pgbackstop-expire.timer").write_text("[Timer]\n")
    done = run(folder, "install", "--systemd", "--into", "units")
    assert done.returncode == 2
    assert "is not from 'pgbackstop schedule'" in done.stderr
    assert len(list(into.iterdir())) == 1


def test_systemctl_is_told_in_its_order(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # systemd itself is not to be had in a container: what it would be told is written down.
    stand_in = folder / "systemctl"
    stand_in.write_text(f'#!/bin/sh\necho "$*" >>{folder}/told\n')
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    mark, units = systemd.mark(Path("/etc/x.yaml")), folder / "units"
    contents = {"pgbackstop-a.service": mark, "pgbackstop-a.timer": mark}
    install.change_units(units, contents, mark)
    install.change_units(units, {}, mark)
    assert (folder / "told").read_text().splitlines() == [
        "daemon-reload",
        "enable --now pgbackstop-a.timer",
        "disable --now pgbackstop-a.service pgbackstop-a.timer",
        "daemon-reload",
    ]
    assert list(units.iterdir()) == []


def test_tasks_are_written_and_the_commands_for_them_said(folder: Path) -> None:
    done = run(folder, "install", "--windows", "--into", "tasks", "--program", "C:\\pgbackstop.exe")
    assert done.returncode == 0, done.stderr
    assert r'schtasks /Create /XML pgbackstop-backup-shop.xml /TN "\pgbackstop\backup-shop"' in done.stdout
    text = (folder / "tasks" / "pgbackstop-backup-shop.xml").read_text("utf-16")
    assert "<Command>C:\\pgbackstop.exe</Command>" in text
    assert run(folder, "install", "--windows", "--into", "tasks").returncode == 0
    text = (folder / "tasks" / "pgbackstop-backup-shop.xml").read_text("utf-16")
    assert "<Command>wsl.exe</Command>" in text
    assert f"<Arguments>--exec {Path(sys.executable).with_name('pgbackstop')} --config " in text
    assert run(folder, "uninstall", "--windows", "--into", "tasks").returncode == 0
    assert list((folder / "tasks").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("install",), "Say for whom"),
        (("print", "--cron", "--systemd"), "Say for whom"),
        (("install", "--windows"), "is not said"),
        (("print", "--systemd", "--user", "a b"), "no account"),
    ],
)
def test_what_is_not_clear_is_refused(folder: Path, arguments: tuple[str, ...], words: str) -> None:
    done = run(folder, *arguments)
    assert done.returncode == 2
    assert words in done.stderr


def test_a_schedule_that_cannot_be_said_changes_nothing(folder: Path) -> None:
    (folder / "pgbackstop.yaml").write_text(CONFIG % "*/10 0 2 * * *")
    done = run(folder, "install", "--windows", "--into", "tasks")
    assert done.returncode == 2
    assert "cannot be said" in done.stderr
    assert not (folder / "tasks").exists()
