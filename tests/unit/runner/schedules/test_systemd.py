"""Units for systemd: judged by systemd-analyze, with the rights of the daemon's own unit."""

import configparser
import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.schedule import Schedule
from pgbackstop_runner.schedules import jobs, systemd
from tests.unit.runner.schedules.world import EXPRESSIONS, TARGET, config

ROOT = Path(__file__).parents[4]
BASE = datetime(2026, 4, 1, tzinfo=UTC)
COUNTED = ("L", "#")
# A machine without systemd cannot judge; what the units say is looked at below.
ANALYZE = shutil.which("systemd-analyze")
OF_ITS_KIND = {"Type", "Restart", "RestartSec", "ExecStart", "ExecReload", "ReadWritePaths"}


def service(text: str) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(text)
    return dict(parser["Service"])


def _elapses(analyze: str, expression: str, count: int) -> set[datetime]:
    answer = subprocess.run(
        [analyze, "calendar", f"--iterations={count}", f"--base-time={BASE:%Y-%m-%d %H:%M:%S}", expression],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TZ": "UTC", "LC_ALL": "C"},
    )
    found = re.findall(r"(?:elapse|#\d+): \w{3} ([\d-]+ [\d:]+) UTC", answer.stdout)
    return {datetime.fromisoformat(each).replace(tzinfo=UTC) for each in found}


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata"])
@pytest.mark.parametrize("expression", [*EXPRESSIONS, "*/20 30 2 * * *"])
def test_timers_elapse_when_it_is_due(expression: str, zone: str) -> None:
    if ANALYZE is None:
        return
    schedule = Schedule(expression=expression, timezone=zone)
    counts = any(letter in expression.split(maxsplit=2)[2] for letter in COUNTED)
    due = list(islice(schedule.after(BASE), 12))
    elapses = {
        at for each in systemd.calendar(schedule) for at in _elapses(ANALYZE, each, 500 if counts else 12)
    }
    if counts:  # more than enough
        assert set(due) <= elapses
    else:
        assert set(due) == {at for at in elapses if at <= due[-1]}


def test_the_services_may_what_the_daemon_may() -> None:
    shipped = service((ROOT / "packaging" / "systemd" / "pgbackstop.service").read_text())
    units = systemd.units(TARGET, jobs.jobs(config()), "pgbackstop")
    services = [name for name in units if name.endswith(".service")]
    assert services == [
        "pgbackstop-backup-shop.service",
        "pgbackstop-drill-shop.service",
        "pgbackstop-expire.service",
        "pgbackstop-verify.service",
        "pgbackstop-wal-receive-main.service",
    ]
    for name in services:
        found = service(units[name])
        assert {key: found[key] for key in found if key not in OF_ITS_KIND} == {
            key: shipped[key] for key in shipped if key not in OF_ITS_KIND
        }
        assert found["ReadWritePaths"] == '"/srv/back ups/$1" /var/lib/pgbackstop'


def test_what_has_no_schedule_runs_all_the_time_and_timers_are_enabled() -> None:
    units = systemd.units(TARGET, jobs.jobs(config()), "pgbackstop")
    assert service(units["pgbackstop-wal-receive-main.service"])["Restart"] == "always"
    assert service(units["pgbackstop-backup-shop.service"])["Type"] == "oneshot"
    assert systemd.started(list(units)) == [
        "pgbackstop-backup-shop.timer",
        "pgbackstop-drill-shop.timer",
        "pgbackstop-expire.timer",
        "pgbackstop-verify.timer",
        "pgbackstop-wal-receive-main.service",
    ]


def test_systemd_finds_nothing_to_say(tmp_path: Path) -> None:
    if ANALYZE is None:
        return
    program = tmp_path / "a program%1"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    target = jobs.Target(program=str(program), file=Path("/etc/a b.yaml"), writes=(tmp_path,))
    units = systemd.units(target, jobs.jobs(config(timezone="Europe/Berlin")), "root")
    for name, text in units.items():
        (tmp_path / name).write_text(text)
    argv = [ANALYZE, "verify", "--man=no", *(str(tmp_path / name) for name in units)]
    answer = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert [line for line in answer.stderr.splitlines() if "pgbackstop-" in line] == []


@pytest.mark.parametrize("user", ["", "a b", "x\n[Service]"])
def test_an_account_that_is_none_is_refused(user: str) -> None:
    with pytest.raises(errors.ConfigError, match="no account"):
        systemd.units(TARGET, jobs.jobs(config()), user)
