"""``config show --origin`` and what ``config check`` says of groups."""

import json
from pathlib import Path

import pytest

from tests.support import forks

GROUPS = """\
storages: {disk: {path: store}}
groups:
  payments:
    servers: ["pay-[1:3]"]
    server: {host: "{server}.internal"}
    plans:
      logical: {backup_type: logical, schedule: "H H(1-4) * * *"}
servers:
  pay-2: {port: 6432}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "pgbackstop.yaml"
    found.write_text(GROUPS)
    return found


def test_each_value_is_told_with_where_it_comes_from(file: Path) -> None:
    shown = forks.run("--config", str(file), "config", "show", "--origin", "pay-2").stdout
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in shown.splitlines()}
    assert [each.strip() for each in rows["servers.pay-2.port"]] == ["6432", "line 9"]
    assert [each.strip() for each in rows["servers.pay-2.host"]] == [
        "pay-2.internal",
        "group payments, line 5",
    ]
    assert [each.strip() for each in rows["servers.pay-2.user"]] == ["pgbackstop", "default"]


def test_programs_get_all_of_them(file: Path) -> None:
    found = forks.run("--config", str(file), "config", "show", "--origin", "--json").stdout
    by_key = {each["key"]: each for each in json.loads(found)}
    schedule = by_key["plans.pay-1-logical.schedule"]
    assert (schedule["origin"], schedule["group"], schedule["line"]) == ("group", "payments", 7)
    assert by_key["catalog"]["origin"] == "default"


def test_a_name_that_is_none_is_not_found(file: Path) -> None:
    ended = forks.run("--config", str(file), "config", "show", "--origin", "nobody")
    assert (ended.returncode, "No server, plan, group or storage is named 'nobody'." in ended.stderr) == (
        7,
        True,
    )
    assert forks.run("--config", str(file), "config", "show", "pay-2").returncode == 2


def test_check_counts_the_servers_of_a_group_and_names_what_differs(file: Path) -> None:
    told = forks.run("--config", str(file), "config", "check").stdout
    assert "right (3 servers, 3 plans" in told
    assert "group payments: 3 servers, each with logical; changed for one: servers.pay-2.port\n" in told


def test_what_is_wrong_with_all_of_a_group_is_said_once(file: Path) -> None:
    file.write_text(GROUPS.replace("schedule: ", "keep: {last: 1, minimum: 1}, schedule: "))
    told = forks.run("--config", str(file), "config", "check").stderr.splitlines()
    [drill] = [line for line in told if "is drilled every" in line]
    assert "Plan pay-1-logical keeps" in drill
    assert drill.endswith("The same of 2 more plans of group payments.")
    [open_to_others] = [line for line in told if "whoever stands between" in line]
    assert open_to_others.endswith("; the same of 2 more of group payments")
