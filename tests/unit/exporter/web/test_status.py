"""How plans, servers and disks stand, in words for people."""

from dataclasses import replace
from pathlib import Path

import pytest

from pgbackstop_exporter.families.samples import NONE, Families, Labels, labels
from pgbackstop_exporter.metrics import exporter_metrics, plan_metrics, server_metrics, storage_metrics
from pgbackstop_exporter.metrics.metric import Metric
from pgbackstop_exporter.snapshot import CATALOG, DiskFacts, Health, Snapshot
from pgbackstop_exporter.web import page, status, status_items
from pgbackstop_exporter.web.sample_index import SampleIndex
from pgbackstop_exporter.web.status import State
from tests.support.factories import NOW
from tests.unit.exporter import filled

UNIX = NOW.timestamp()
HOUR = 3600.0
WHERE = labels(plan="daily", server="main", database="shop", backup_type="logical")
SERVER = labels(server="main")
DISK = labels(path="/backups")


def families(where: Labels, samples: dict[Metric, float]) -> Families:
    found = Families()
    for metric, value in samples.items():
        found.add(metric, where, value)
    return found


def state(**changes: float | None) -> State:
    """Of a daily plan that succeeded three hours ago, unless changed; None leaves a metric out."""
    values: dict[str, float | None] = {
        "ENABLED": 1,
        "MAX_AGE": 25 * HOUR,
        "SCHEDULE_INTERVAL": 24 * HOUR,
        "MAX_DURATION": 6 * HOUR,
        "STALL_TIMEOUT": HOUR / 2,
        "FIRST_DUE": UNIX - 90 * HOUR,
        "NEXT_RUN": UNIX + 21 * HOUR,
        "LAST_SUCCESS": UNIX - 3 * HOUR,
        "LAST_FAILURE": 0,
        "RUNNING": 0,
        **changes,
    }
    samples = {getattr(plan_metrics, name): value for name, value in values.items() if value is not None}
    (row,) = status.of(families(WHERE, samples), {}, UNIX).plans
    return row.state


@pytest.mark.parametrize(
    ("changes", "word", "why"),
    [
        ({}, "ok", ""),
        ({"VANISHED": 2}, "ok", "rows of 2 tables vanished: see 'pgbackstop list'"),
        ({"ENABLED": 0, "LAST_SUCCESS": 1}, "paused", ""),
        ({"LAST_SUCCESS": None}, "unknown", "the catalog has not been read yet"),
        (
            {"RUNNING": 1, "RUNNING_START": UNIX - 7 * HOUR},
            "stuck",
            "started 7h00m ago; a run is ended after 6h",
        ),
        (
            {"RUNNING": 1, "RUNNING_START": UNIX - HOUR, "PROGRESS_AT": UNIX - HOUR},
            "stuck",
            "the last byte was written 1h00m ago",
        ),
        (
            {"RUNNING": 1, "RUNNING_START": UNIX - 7 * HOUR, "LAST_SUCCESS": 1},
            "stuck",
            "started 7h00m ago; a run is ended after 6h",
        ),
        ({"LAST_SUCCESS": UNIX - 26 * HOUR}, "late", "the newest good backup may be 25h old"),
        (
            {"LAST_SUCCESS": UNIX - 26 * HOUR, "LAST_FAILURE": UNIX - HOUR},
            "late",
            "the newest good backup may be 25h old",
        ),
        ({"LAST_SUCCESS": 0}, "never", "was due 3d18h ago and has not succeeded since"),
        ({"LAST_SUCCESS": 0, "FIRST_DUE": UNIX - HOUR}, "not due yet", ""),
        (
            {"LAST_FAILURE": UNIX - HOUR, "CONSECUTIVE_FAILURES": 2},
            "failed",
            "1h00m ago, 2 in a row",
        ),
        (
            {"LAST_SUCCESS": 0, "FIRST_DUE": UNIX, "LAST_FAILURE": UNIX - 60, "CONSECUTIVE_FAILURES": 1},
            "failed",
            "1m00s ago, 1 in a row",
        ),
        ({"MISSING": 2}, "failed", "files of kept backups are gone or have another size: of 2"),
        ({"DAMAGED": 1}, "failed", "stored backups that are damaged: 1"),
        ({"NEXT_RUN": UNIX - HOUR}, "late", "a run was due 1h00m ago and has not started"),
        ({"NEXT_RUN": UNIX - 600}, "ok", ""),
        ({"LAST_SUCCESS": UNIX + 60}, "ok", ""),
        ({"LAST_SUCCESS": UNIX + HOUR}, "ok", "its time lies in the future; check the clocks"),
        (
            {"NEXT_RUN": UNIX - HOUR, "RUNNING": 1, "RUNNING_START": UNIX - 120, "PROGRESS_AT": UNIX},
            "running",
            "since 2m00s ago",
        ),
        (
            {"RUNNING": 1, "RUNNING_START": UNIX - HOUR, "PROGRESS_AT": UNIX - HOUR}
            | {"PROGRESS": 95, "PROGRESS_EXPECTED": 100},
            "running",
            "since 1h00m ago",
        ),
    ],
)
def test_the_first_state_that_is_true_wins(changes: dict[str, float | None], word: str, why: str) -> None:
    assert state(**changes) == State(word=word, why=why)
    assert word in status.STATES


def test_a_database_is_not_overdue_while_another_of_its_plan_runs() -> None:
    found = families(
        WHERE, {plan_metrics.ENABLED: 1, plan_metrics.LAST_SUCCESS: UNIX, plan_metrics.NEXT_RUN: UNIX - HOUR}
    )
    other = labels(plan="daily", server="main", database="other", backup_type="logical")
    found.add(plan_metrics.ENABLED, other, 1)
    found.add(plan_metrics.LAST_SUCCESS, other, UNIX)
    found.add(plan_metrics.RUNNING, other, 1)
    found.add(plan_metrics.RUNNING_START, other, UNIX)
    assert status.of(found, {}, UNIX).counts == {"running": 1, "ok": 1}


def test_the_worst_come_first(tmp_path: Path) -> None:
    found = families(WHERE, {plan_metrics.ENABLED: 1, plan_metrics.LAST_SUCCESS: UNIX})
    for name in ("a", "b"):
        where = labels(plan=name, server="main", database="", backup_type="physical")
        found.add(plan_metrics.ENABLED, where, 1)
        found.add(plan_metrics.LAST_SUCCESS, where, 0 if name == "b" else UNIX)
        found.add(plan_metrics.FIRST_DUE, where, 1)
    assert [row.plan for row in status.of(found, {}, UNIX).plans] == ["b", "daily", "a"]


def test_the_filled_catalog(tmp_path: Path) -> None:
    snapshot = filled.snapshot(tmp_path)
    found = status.of(page.build(snapshot, now=UNIX), snapshot.health, UNIX)
    daily, weekly = sorted(found.plans, key=lambda row: row.plan)
    assert (daily.database, daily.size, daily.duration) == ("shop", "1.0 MB", "1m30s")
    assert daily.age == "3h00m ago (limit 25h)"
    assert daily.verified == "0.0s ago"
    assert (weekly.database, weekly.drilled) == ("(all)", "1h59m ago")
    (server,) = found.servers
    assert server.name == "main"
    assert "recoverable from 2026-11-22 10:00:00 UTC to 2026-11-22 12:00:00 UTC" in server.lines
    assert "proven until 2026-11-22 12:00:00 UTC" in server.lines
    assert "WAL is archived up to 0s ago" in server.lines


def disk(free: float, **changes: float) -> status_items.Item:
    named = {getattr(storage_metrics, name): value for name, value in changes.items()}
    samples = {storage_metrics.DISK_SIZE: 1000.0, storage_metrics.DISK_FREE: free, **named}
    (found,) = status_items.disks(SampleIndex(families(DISK, samples), UNIX))
    return found


def test_disks() -> None:
    assert disk(500).lines == ("500 B of 1.0 kB are free (50%)",)
    assert disk(500).is_well
    assert not disk(50).is_well
    tight = disk(500, DISK_NEXT_RUNS=600)
    assert (tight.is_well, tight.lines[-1]) == (False, "the next runs need about 600 B")
    readonly = disk(500, DISK_READONLY=1)
    assert (readonly.is_well, readonly.lines[-1]) == (False, "nobody can write to it")


def server(samples: dict[Metric, float]) -> status_items.Item:
    (found,) = status_items.servers(SampleIndex(families(SERVER, samples), UNIX))
    return found


@pytest.mark.parametrize(
    ("samples", "is_well", "line"),
    [
        ({server_metrics.POSTGRES_UP: 0}, False, "PostgreSQL does not answer"),
        ({server_metrics.POSTGRES_UP: 1}, True, "PostgreSQL answers"),
        ({server_metrics.EARLIEST: 0, server_metrics.LATEST: 0}, True, "PostgreSQL was not asked yet"),
        (
            {server_metrics.EARLIEST: 0, server_metrics.LATEST: 0},
            True,
            "cannot be recovered to any moment yet",
        ),
        (
            {server_metrics.EARLIEST: 1, server_metrics.LATEST: 2, server_metrics.PROVEN: 0},
            True,
            "no recovery has been proven",
        ),
        (
            {server_metrics.WAL_SEGMENTS: 5, server_metrics.WAL_MISSING: 2},
            False,
            "2 WAL segments are missing",
        ),
    ],
)
def test_servers(samples: dict[Metric, float], is_well: bool, line: str) -> None:
    found = server(samples)
    assert line in found.lines
    assert found.is_well is is_well


def test_what_is_wrong_with_the_exporter() -> None:
    ill = Health(success=False, error="gone.", last_success=UNIX - HOUR)
    samples: dict[Metric, float] = {
        exporter_metrics.HEARTBEAT: UNIX - 10,
        exporter_metrics.CATALOG_BAD: 2,
        exporter_metrics.PENDING: 1,
        exporter_metrics.RELOAD_SUCCESS: 0,
    }
    found = list(status_items.exporter(SampleIndex(families(NONE, samples), UNIX), {CATALOG: ill}))
    assert [each.name for each in found] == [
        CATALOG,
        "scheduler",
        "catalog",
        "notifications",
        "configuration",
    ]
    assert found[0].lines == ("gone.", "last read 1h00m ago")
    assert [each.is_well for each in found] == [False, True, False, False, False]
    samples = {
        exporter_metrics.CATALOG_BAD: 0,
        exporter_metrics.PENDING: 0,
        exporter_metrics.RELOAD_SUCCESS: 1,
    }
    assert list(status_items.exporter(SampleIndex(families(NONE, samples), UNIX), {})) == []


def test_before_the_catalog_was_read_nothing_is_known(tmp_path: Path) -> None:
    unread: Snapshot = replace(
        filled.snapshot(tmp_path),
        catalog=None,
        disks={"/": DiskFacts(free=1, size=2, free_inodes=None, is_readonly=False)},
    )
    found = status.of(page.build(unread, now=UNIX), unread.health, UNIX)
    assert {row.state.word for row in found.plans} == {"unknown"}
    assert {row.age for row in found.plans} == {"unknown"}
