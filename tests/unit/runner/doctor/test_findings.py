"""What follows from what was found on a machine."""

import pytest

from pgbackstop_runner.doctor import findings
from pgbackstop_runner.doctor.findings import Finding, Packages
from pgbackstop_runner.system.jail_choice import Choice, Mechanism

DEBIAN = Packages(family=frozenset({"ubuntu", "debian"}))
REDHAT = Packages(family=frozenset({"rocky", "rhel", "fedora"}))


@pytest.mark.parametrize(
    ("packages", "command"),
    [
        (DEBIAN, "apt install postgresql-client-17 (from apt.postgresql.org"),
        (REDHAT, "dnf install postgresql17 (from yum.postgresql.org"),
        (Packages(), "install postgresql-client-17"),
    ],
)
def test_the_remedy_is_the_machines_own(packages: Packages, command: str) -> None:
    assert packages.install("postgresql-client", 17).startswith(command)


def test_programs_of_a_server_have_another_name_in_red_hats_family() -> None:
    assert REDHAT.install("postgresql", 16).startswith("dnf install postgresql16-server ")
    assert REDHAT.install("bubblewrap") == "dnf install bubblewrap"


@pytest.mark.parametrize(("needed", "state"), [(True, "missing"), (False, "advice")])
def test_a_tool_is_missing_where_it_is_needed(needed: bool, state: str) -> None:
    found = findings.tool("lz4", None, DEBIAN, needed=needed)
    assert (found.state, found.remedy) == (state, "apt install lz4")
    assert findings.tool("lz4", "/usr/bin/lz4", DEBIAN, needed=needed).state == "ok"


@pytest.mark.parametrize(
    ("mechanism", "drills", "unconfined", "state"),
    [
        ("bubblewrap", True, False, "ok"),
        ("landlock", True, False, "ok"),
        ("none", True, False, "missing"),
        ("none", True, True, "advice"),
        ("none", False, False, "advice"),
    ],
)
def test_a_jail_is_needed_for_drills(
    mechanism: Mechanism, drills: bool, unconfined: bool, state: str
) -> None:
    choice = Choice(mechanism=mechanism, reason="so")
    found = findings.jail(choice, DEBIAN, drills=drills, unconfined=unconfined)
    assert found.state == state
    assert bool(found.remedy) == (mechanism == "none")


@pytest.mark.parametrize(
    ("problem", "free", "state"),
    [("is away", 10, "missing"), ("", None, "unknown"), ("", 10, "ok"), ("", 5, "missing")],
)
def test_room_is_what_is_not_in_reserve(problem: str, free: int | None, state: str) -> None:
    assert findings.room("disk", "/disk", problem, free, 5).state == state


@pytest.mark.parametrize(
    ("synchronized", "apart", "state"),
    [
        (True, {"main": 0.5}, "ok"),
        (False, {}, "advice"),
        (None, {}, "unknown"),
        (True, {"main": -3.0}, "advice"),
    ],
)
def test_clocks_that_differ_are_told(synchronized: bool | None, apart: dict[str, float], state: str) -> None:
    found = findings.clock(synchronized, apart, DEBIAN)
    assert found.state == state
    assert ("-3 s on server main" in found.found) == bool(apart and apart["main"] < -2)


def test_advice_leaves_a_machine_complete() -> None:
    advice, missing = (Finding(what="x", state=state, found="") for state in ("advice", "missing"))
    assert findings.is_complete([advice])
    assert not findings.is_complete([advice, missing])


def test_a_storage_elsewhere_is_reached_or_a_backup_has_no_copy() -> None:
    reached = findings.remote("offsite", "s3/backups", "")
    assert (reached.what, reached.state) == ("storage offsite", "ok")
    away = findings.remote("offsite", "s3/backups", "Nobody answers.")
    assert (away.state, away.found) == ("missing", "Nobody answers.")
    assert not findings.is_complete([reached, away])
