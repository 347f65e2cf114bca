"""``pgbackstop fleet``: the states of ``status``, the worst first, chosen by labels, found by words."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pgbackstop_catalog.decisions.wal_segments import WalState
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_runner import main, workspace
from pgbackstop_runner.overview import fleet, read
from pgbackstop_runner.workspace import Workspace
from tests.support import factories, storages
from tests.support.factories import DAY

NOW = datetime.now(UTC).replace(microsecond=0)
MINUTE = timedelta(minutes=1)
CONFIGURATION = """
storages: {disk: {kind: folder, path: store}}
groups:
  payments:
    servers: [pay-1, pay-2]
    labels: {team: payments}
    server: {wal: {enabled: false}}
    plans:
      logical: {backup_type: logical, schedule: "0 0 1 1 *", max_age: 25h}
servers:
  shop:
    wal: {enabled: false}
    labels: {team: shop}
plans:
  nightly: {server: shop, backup_type: logical, schedule: "0 0 1 1 *", max_age: 25h, drill: {enabled: false}}
"""


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    file = tmp_path / "pgbackstop.yaml"
    file.write_text(CONFIGURATION)
    storages.create_for(file)
    return workspace.open_workspace(file, on_invalid_record=lambda _error: None)


def call(opened: Workspace, *arguments: str) -> Result:
    argv = ["--config", str(opened.file), "fleet", *arguments]
    return CliRunner().invoke(main.app, argv, catch_exceptions=False)


def put(opened: Workspace, number: int, ended: datetime, server: str = "pay-1", **changes: Any) -> Backup:
    plan = "nightly" if server == "shop" else f"{server}-logical"
    record = factories.backup(number, ended, **{"plan": plan, "server": server, **changes})
    opened.catalog.put(record)
    return record


def drilled(opened: Workspace, backup: Backup, status: Status, ended: datetime) -> None:
    proof = Proof.of(backup, "drill", started_at=ended - MINUTE)
    opened.catalog.put(proof.evolve(status=status, finished_at=ended))


def well(opened: Workspace) -> None:
    for number, server in enumerate(("pay-1", "pay-2", "shop")):
        drilled(opened, put(opened, number, NOW - 5 * MINUTE, server), Status.SUCCEEDED, NOW - MINUTE)


def test_a_fleet_that_is_well(opened: Workspace) -> None:
    well(opened)
    told = call(opened, "status")
    assert told.exit_code == 0, told.output
    lines = told.stdout.splitlines()
    assert lines[0] == "3 servers: 3 ok."
    assert [line.split()[:5] for line in lines[3:]] == [
        ["pay-1", "payments", "ok", "pay-1-logical", "shop"],
        ["pay-2", "payments", "ok", "pay-2-logical", "shop"],
        ["shop", "-", "ok", "nightly", "shop"],
    ]


def test_the_worst_come_first_and_are_counted(opened: Workspace) -> None:
    put(opened, 1, NOW - 3 * DAY, "pay-2")
    put(opened, 2, NOW - 5 * MINUTE, "shop")
    put(opened, 3, NOW - MINUTE, "shop", status=Status.FAILED, reason=Reason.TOOL)
    put(opened, 4, NOW - 5 * MINUTE, "pay-1")
    told = call(opened, "status", "--limit", "2")
    assert told.exit_code == 1
    lines = told.stdout.splitlines()
    assert lines[0] == "3 servers: 1 too old, 1 failed, 1 ok."
    assert [line.split()[0] for line in lines[3:5]] == ["pay-2", "shop"]
    assert lines[-1] == "1 better ones exist: --all shows them, --limit some of them."


def test_labels_choose_and_a_group_is_one(opened: Workspace) -> None:
    well(opened)
    put(opened, 9, NOW - 3 * MINUTE, "pay-2", database="crm", status=Status.FAILED, reason=Reason.TOOL)

    def chosen(*labels: str) -> list[str]:
        document = json.loads(call(opened, "status", "--json", *labels).stdout)
        return [each["server"] for each in document["servers"]]

    assert chosen("--label", "team=shop") == ["shop"]
    assert chosen("--label", "group=payments", "--label", "team=payments") == ["pay-2", "pay-1"]
    nobody = CliRunner().invoke(
        main.app, ["--config", str(opened.file), "fleet", "status", "--label", "team=x"]
    )
    assert getattr(nobody.exception, "exit_code", None) == 7
    wrong = CliRunner().invoke(main.app, ["--config", str(opened.file), "fleet", "status", "--label", "team"])
    assert getattr(wrong.exception, "exit_code", None) == 2


def test_programs_get_states_labels_and_the_worst_plan(opened: Workspace) -> None:
    well(opened)
    put(opened, 9, NOW - 3 * MINUTE, "pay-2", database="crm", status=Status.FAILED, reason=Reason.TOOL)
    document = json.loads(call(opened, "status", "--json").stdout)
    assert document["states"] == {"never run": 1, "ok": 2}
    first = document["servers"][0]
    assert (first["server"], first["plan"], first["database"]) == ("pay-2", "pay-2-logical", "crm")
    assert first["labels"] == {"team": "payments"}


def test_who_receives_the_wal_is_said(opened: Workspace) -> None:
    opened.file.write_text(CONFIGURATION.replace("shop:\n    wal: {enabled: false}", "shop:"))
    state = WalState(
        server="shop",
        method="stream",
        status="streaming",
        host="backup1",
        started_at=NOW,
        updated_at=NOW,
    )
    opened.state.make(opened.state.wal("shop").parent)
    opened.state.wal("shop").write_bytes(codec.encode(state))

    def receivers() -> dict[str, str | None]:
        document = json.loads(call(opened, "status", "--json").stdout)
        return {each["server"]: each["wal_receiver"] for each in document["servers"]}

    assert receivers() == {"shop": "", "pay-1": None, "pay-2": None}
    assert " nobody " in call(opened, "status").stdout
    with opened.state.held("wal-shop", "The receiver"):
        assert receivers() == {"shop": "backup1", "pay-1": None, "pay-2": None}
        assert " backup1 " in call(opened, "status").stdout


def test_a_server_without_a_plan_is_not_known(opened: Workspace) -> None:
    well(opened)
    opened.file.write_text(CONFIGURATION.replace("servers:\n  shop", "servers:\n  lone: {}\n  shop"))
    told = call(opened, "status", "--json")
    assert told.exit_code == 5
    first = json.loads(told.stdout)["servers"][0]
    assert (first["server"], first["state"], first["reason"]) == ("lone", "unknown", "no plan backs it up")


def failed(opened: Workspace, number: int, ended: datetime, **changes: Any) -> None:
    put(opened, number, ended, status=Status.FAILED, reason=Reason.UNREACHABLE, **changes)


def days_without_the_server(opened: Workspace) -> None:
    """Runs that failed before a database was known, after two databases had good ones."""
    put(opened, 1, NOW - 9 * DAY)
    put(opened, 2, NOW - 9 * DAY + MINUTE, database="crm")
    for number in range(3, 9):
        failed(opened, number, NOW - (9 - number) * DAY, database="")


def one_database_fails_for_days(opened: Workspace) -> None:
    put(opened, 1, NOW - 9 * DAY, database="crm")
    for number in range(2, 9):
        failed(opened, number, NOW - (9 - number) * DAY, database="crm")
        put(opened, 10 + number, NOW - (9 - number) * DAY + MINUTE)


def damaged(opened: Workspace) -> None:
    put(opened, 1, NOW - 9 * DAY)
    put(opened, 2, NOW - MINUTE, status=Status.FAILED, reason=Reason.CORRUPT, verification="failed")


def drill_failed(opened: Workspace) -> None:
    record = put(opened, 1, NOW - 5 * MINUTE)
    drilled(opened, record, Status.SUCCEEDED, NOW - 3 * DAY)
    drilled(opened, record, Status.FAILED, NOW - MINUTE)
    for number in range(5):
        proof = Proof.of(record, "verify", started_at=NOW - number * DAY)
        opened.catalog.put(proof.evolve(status=Status.SUCCEEDED, finished_at=NOW - number * DAY))


def running(opened: Workspace) -> None:
    put(opened, 1, NOW - DAY)
    put(opened, 2, NOW, status=Status.RUNNING, finished_at=None)


def missed(opened: Workspace) -> None:
    put(opened, 1, NOW - DAY)
    put(opened, 2, NOW - MINUTE, database="", status=Status.MISSED, missed_runs=1)


def vanished(opened: Workspace) -> None:
    lost = [{"table": '"public"."orders"', "rows_before": 5000, "rows": 0}]
    put(opened, 1, NOW - MINUTE, vanished=lost, row_counts={'"public"."orders"': 0})


CASES = (
    *(well, days_without_the_server, one_database_fails_for_days, damaged, drill_failed),
    *(running, missed, vanished),
)


@pytest.mark.parametrize("case", CASES)
def test_each_plan_has_the_state_that_status_tells(
    opened: Workspace, case: Callable[[Workspace], None]
) -> None:
    case(opened)
    known = read.overview(opened, (), NOW)
    told = {
        (one.plan, one.subject.database): [
            each for each in one.findings if each.state not in {"missing", "copy damaged"}
        ]
        for one in known.subjects
    }
    found = fleet.fleet(opened, list(opened.config.servers), (), NOW)
    assert {(each.plan, each.database) for one in found.servers for each in one.plans} == set(told)
    for one in found.servers:
        for each in one.plans:
            expected = told[each.plan, each.database]
            assert list(each.findings) == expected or not expected, (each.plan, each.database)


@pytest.mark.parametrize(
    ("text", "plans"),
    [
        ("PAY-1", ["pay-1-logical"]),
        ("team=pay", ["pay-1-logical", "pay-2-logical"]),
        ("crm", ["pay-2-logical"]),
        ("night", ["nightly"]),
        ("shop", ["nightly", "pay-1-logical", "pay-2-logical"]),
    ],
)
def test_search_finds_by_server_database_plan_and_label(
    opened: Workspace, text: str, plans: list[str]
) -> None:
    well(opened)
    put(opened, 9, NOW - 3 * MINUTE, "pay-2", database="crm")
    found = json.loads(call(opened, "search", text, "--json").stdout)
    assert sorted({each["plan"] for each in found}) == plans
    assert all(plan in call(opened, "search", text).stdout for plan in plans)


def test_what_is_nowhere_is_not_found(opened: Workspace) -> None:
    nothing = CliRunner().invoke(main.app, ["--config", str(opened.file), "fleet", "search", "nowhere"])
    assert getattr(nothing.exception, "exit_code", None) == 7


def test_a_record_that_is_none_is_told_and_the_others_are_shown(opened: Workspace) -> None:
    well(opened)
    folder = opened.config.catalog_folder() / "backups" / "pay-1-logical"
    (folder / f"{NOW:%Y%m%dT%H%M%SZ}-ffffff.json").write_text("{}")
    told = call(opened, "status")
    assert "Not well: 1 file of the catalog is no record" in told.stdout
    assert "3 servers: 3 ok." in told.stdout
