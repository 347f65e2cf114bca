"""Notices: what has happened, in words, and the alerts that it becomes and ends."""

from datetime import timedelta
from typing import Any

import pytest

from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.vanished import Acknowledgement, VanishedTable
from pgbackstop_runner.notify import event_alerts, events
from tests.unit.runner.notify.finished_backup import NOW, finished, labels_of


def test_a_success_in_words() -> None:
    event = events.of_backup(finished(warnings=("2 tables without statistics",)))
    assert event is not None
    assert (event.kind, event.severity) == ("backup-succeeded", "info")
    assert event.summary == "Backed up database shop on main (plan shop-daily)"
    assert event.description == (
        "4.2 MB in 3m05s, backup 20261122T020000Z-5f3a9c. Note: 2 tables without statistics. "
        "There is nothing to do."
    )
    assert (event.starts_at, event.ends_at) == (NOW, NOW + events.GOOD_NEWS)


@pytest.mark.parametrize(
    ("status", "reason", "summary"),
    [
        (Status.FAILED, Reason.SPACE, "The backup of server main (plan shop-daily) failed: space"),
        (Status.FAILED, None, "The backup of server main (plan shop-daily) failed"),
        (
            Status.INTERRUPTED,
            Reason.INTERRUPTED,
            "The backup of server main (plan shop-daily) was interrupted: interrupted",
        ),
    ],
)
def test_a_failure_says_what_to_do(status: Status, reason: Reason | None, summary: str) -> None:
    event = events.of_backup(finished(status=status, reason=reason, database="", message="Disk full."))
    assert event is not None
    assert (event.kind, event.severity, event.summary) == ("backup-failed", "warning", summary)
    assert event.description == (
        "Disk full. Details: 'pgbackstop show 20261122T020000Z-5f3a9c'. "
        "When the cause is gone, run it again: 'pgbackstop backup shop-daily'."
    )


def test_an_endless_message_is_cut() -> None:
    event = events.of_backup(finished(status=Status.FAILED, message="x" * 100_000))
    assert event is not None
    assert "x" * 300 + " … Details" in event.description


@pytest.mark.parametrize(("runs", "words"), [(1, "A backup run of plan"), (3, "3 backup runs of plan")])
def test_missed_runs_are_counted(runs: int, words: str) -> None:
    event = events.of_backup(finished(status=Status.MISSED, missed_runs=runs, message="The daemon was away."))
    assert event is not None
    assert event.kind == "backup-missed"
    assert event.summary.startswith(words)
    assert event.description.startswith("The daemon was away. See that")


def test_a_running_backup_is_no_event() -> None:
    assert events.of_backup(finished(status=Status.RUNNING, finished_at=None)) is None


def test_an_alert_has_labels_without_empty_ones_and_ends() -> None:
    event = events.of_backup(finished(database=""))
    assert event is not None
    alert = event_alerts.to_alert(event, NOW)
    assert alert["labels"] == {
        "alertname": "BackupFinished",
        "plan": "shop-daily",
        "server": "main",
        "backup_type": "logical",
        "severity": "info",
    }
    assert alert["startsAt"] == "2026-11-22T02:03:04.000Z"
    assert alert["endsAt"] == "2026-11-22T02:13:04.000Z"


def test_a_success_ends_what_was_told_of_the_database_and_of_the_whole_plan() -> None:
    event = events.of_backup(finished())
    assert event is not None
    ends = event_alerts.ends(event)
    assert {end["endsAt"] for end in ends} == {"2026-11-22T02:03:04.000Z"}
    assert labels_of(ends) == [
        (name, severity, database)
        for database in ("shop", None)
        for name, severity in (
            ("BackupRunFailed", "warning"),
            ("BackupRunFailed", "critical"),
            ("BackupRunMissed", "warning"),
        )
    ]


def test_a_failure_ends_nothing_and_names_its_runbook() -> None:
    event = events.of_backup(finished(status=Status.FAILED))
    assert event is not None
    assert event_alerts.ends(event) == []
    assert "alerts/runbooks/BackupFailed.md" in str(event_alerts.to_alert(event, NOW)["annotations"])


def test_an_event_that_waited_too_long_gets_its_length_anew() -> None:
    event = events.of_backup(finished())
    assert event is not None
    assert event_alerts.to_alert(event, NOW + timedelta(days=1))["endsAt"] == "2026-11-23T02:13:04.000Z"


LOST = (
    VanishedTable(table="public.orders", rows_before=1_204_331, rows=0),
    VanishedTable(table="public.items", rows_before=9000, rows=None),
)


def test_a_backup_that_saw_data_vanish_is_good_and_critical_news() -> None:
    event = events.of_backup(finished(vanished=LOST))
    assert event is not None
    assert (event.kind, event.severity) == ("data-vanished", "critical")
    assert event.summary == (
        "Rows of 2 tables vanished in database shop on main (plan shop-daily) since the backup before"
    )
    assert event.description.startswith(
        "public.orders: 1,204,331 → 0 rows; public.items: 9,000 rows → table gone. Backup "
        "20261122T020000Z-5f3a9c is good"
    )
    assert "'pgbackstop ack 20261122T020000Z-5f3a9c'" in event.description
    ended = {name for name, _severity, _database in labels_of(event_alerts.ends(event))}
    assert ended == {"BackupRunFailed", "BackupRunMissed"}


def test_an_acknowledgement_ends_it_and_says_who() -> None:
    by = Acknowledgement(at=NOW + timedelta(hours=5), operator="ops", note="Cleaned on purpose.")
    event = events.of_acknowledgement(finished(vanished=LOST[:1]), by)
    assert event.summary == "ops acknowledged that data of database shop on main (plan shop-daily) vanished"
    assert "1,204,331 → 0 rows. ops says: Cleaned on purpose. Nothing is held" in event.description
    assert event.starts_at == by.at
    ends = event_alerts.ends(event)
    assert labels_of(ends) == [("DataVanished", "critical", "shop"), ("DataVanished", "critical", None)]
    seen = events.of_backup(finished(vanished=LOST[:1]))
    assert seen is not None
    assert event_alerts.to_alert(seen, NOW)["labels"] == ends[0]["labels"]


CONDEMNED = {
    "status": Status.FAILED,
    "reason": Reason.CORRUPT,
    "verification": "failed",
    "message": "shop.backup has 12 bytes instead of 4200000.",
}


def test_a_damaged_backup_is_critical_and_says_what_is_still_good() -> None:
    damaged, good = finished(**CONDEMNED), finished(id="20261121T020000Z-5f3a9c")
    found_at = NOW + timedelta(days=3)
    event = events.of_damage(damaged, good=[good], found_at=found_at)
    assert (event.kind, event.severity, event.starts_at) == ("backup-damaged", "critical", found_at)
    assert event.summary == (
        "A stored backup of database shop on main (plan shop-daily) is damaged: 20261122T020000Z-5f3a9c"
    )
    assert event.description.startswith(
        "shop.backup has 12 bytes instead of 4200000. It cannot be relied on."
    )
    assert "Still good, as far as is known: 1, the newest 20261121T020000Z-5f3a9c, of" in event.description
    assert event_alerts.ends(event) == []
    assert "'pgbackstop ack 20261122T020000Z-5f3a9c'" in event.description


def test_two_damaged_backups_of_one_database_are_two_alerts() -> None:
    both = [finished(**CONDEMNED), finished(**CONDEMNED, id="20261121T020000Z-5f3a9c")]
    alerts: list[dict[str, Any]] = [
        event_alerts.to_alert(events.of_damage(each, good=[], found_at=NOW), NOW) for each in both
    ]
    assert labels_of(alerts) == [("BackupDamaged", "critical", "shop")] * 2
    assert [alert["labels"]["backup"] for alert in alerts] == [each.id for each in both]


def test_no_other_event_has_the_id_of_a_backup_as_a_label() -> None:
    for each in (finished(), finished(status=Status.FAILED), finished(vanished=LOST)):
        event = events.of_backup(each)
        assert event is not None
        alert: dict[str, Any] = event_alerts.to_alert(event, NOW)
        assert "backup" not in alert["labels"]


def test_an_acknowledged_damage_ends_the_alert_of_that_backup() -> None:
    damaged = finished(**CONDEMNED)
    by = Acknowledgement(at=NOW + timedelta(hours=5), operator="ops", note="The disk is new.")
    event = events.of_acknowledgement(damaged, by)
    assert event.summary == (
        "ops acknowledged that a stored backup of database shop on main (plan shop-daily) is damaged: "
        "20261122T020000Z-5f3a9c"
    )
    assert "ops says: The disk is new. Its bytes are removed" in event.description
    told = event_alerts.to_alert(events.of_damage(damaged, good=[], found_at=NOW), NOW)
    assert told["labels"] in [each["labels"] for each in event_alerts.ends(event)]


def rotten_copy(of: Backup, storage: str = "offsite") -> Copy:
    return Copy.of(of, storage, started_at=NOW).evolve(
        status=Status.FAILED, damaged_at=NOW, message=f"The copy in {storage} is damaged: a bit."
    )


def test_a_damaged_copy_says_whether_the_backup_itself_is_good() -> None:
    made = finished(storage="local", verified_at=NOW)
    event = events.of_damaged_copy(made, rotten_copy(made), others=[], found_at=NOW)
    assert (event.kind, event.severity) == ("copy-damaged", "warning")
    assert event.summary == (
        "The copy in offsite of a backup of database shop on main (plan shop-daily) is damaged: "
        "20261122T020000Z-5f3a9c"
    )
    assert event.description.startswith("The copy in offsite is damaged: a bit. The backup itself, in local,")
    assert "(last read 2026-11-22T02:03:04.000Z)" in event.description
    assert "'pgbackstop copy shop-daily'" in event.description


def test_a_damaged_copy_of_a_damaged_backup_is_critical_and_names_the_copies_that_are_left() -> None:
    made = finished(**CONDEMNED)
    third = Copy.of(made, "third", started_at=NOW).evolve(status=Status.SUCCEEDED)
    left = events.of_damaged_copy(made, rotten_copy(made), others=[third], found_at=NOW)
    assert left.severity == "critical"
    assert "its copies in third are, as far as is known" in left.description
    none = events.of_damaged_copy(made, rotten_copy(made), others=[], found_at=NOW)
    assert "no other copy of it is known to be. Make a new backup" in none.description


def test_two_damaged_copies_of_one_backup_are_two_alerts() -> None:
    made = finished()
    alerts: list[dict[str, Any]] = [
        event_alerts.to_alert(
            events.of_damaged_copy(made, rotten_copy(made, storage), others=[], found_at=NOW), NOW
        )
        for storage in ("offsite", "third")
    ]
    assert labels_of(alerts) == [("BackupCopyDamaged", "warning", "shop")] * 2
    assert [each["labels"]["storage"] for each in alerts] == ["offsite", "third"]


def test_the_last_good_backup_that_is_damaged_asks_for_a_new_one() -> None:
    event = events.of_damage(finished(**CONDEMNED), good=[], found_at=NOW)
    assert "No other good one is kept: make one now, 'pgbackstop backup shop-daily'." in event.description


@pytest.mark.parametrize(
    ("changes", "is_damaged"),
    [
        (CONDEMNED, True),
        (CONDEMNED | {"verification": ""}, False),
        (CONDEMNED | {"reason": Reason.TOOL}, False),
        ({"verification": "pg_restore 17"}, False),
    ],
    ids=["read back", "while it was made", "another failure", "good"],
)
def test_only_what_was_stored_and_read_back_is_damaged(changes: dict[str, object], is_damaged: bool) -> None:
    assert finished(**changes).is_damaged is is_damaged
