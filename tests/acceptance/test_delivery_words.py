"""What a message says of several alerts, of an end, and of what another has told, by a real Alertmanager."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pgbackstop_catalog import units
from pgbackstop_runner.notify import alertmanager
from tests.acceptance import delivery, receivers
from tests.acceptance.delivery import Delivery

PLAN = {"server": "main", "plan": "nightly", "backup_type": "logical"}
EXPORTER = {"job": "pgbackstop", "instance": "backup:9853"}


@pytest.fixture
def sent(tmp_path: Path) -> Iterator[Delivery]:
    with delivery.opened(tmp_path) as made:
        yield made


def fired(name: str, severity: str, summary: str, **labels: str) -> dict[str, object]:
    """An alert of an hour."""
    now = datetime.now(UTC)
    return {
        "labels": {"alertname": name, "severity": severity, **labels},
        "annotations": {"summary": summary, "resolved": "It ended by itself, and nothing was repaired."},
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
    }


def states(made: Delivery) -> dict[str, str]:
    """Whether each alert is told, by name and database."""
    return {
        f"{each['labels']['alertname']} {each['labels'].get('database', '')}": each["status"]["state"]
        for each in alertmanager.alerts(made.server)
    }


def test_a_subject_names_the_worst_of_all(sent: Delivery) -> None:
    """Of those of one message: critical alerts, which no quiet hour holds back, have one of their own."""
    sent.configure(group_wait="2s")
    sent.start()
    alerts = [
        fired("BackupSizeAnomaly", "info", "A backup is small", **PLAN),
        fired("BackupTooOld", "warning", "No backup of database shop", **PLAN),
        fired("BackupDurationAnomaly", "info", "A backup was slow", **PLAN),
    ]
    alertmanager.post(sent.server, alerts)
    mail, slack, _ = sent.post.inbox.on_each("A backup is small")
    assert mail.title == "WARNING: No backup of database shop (3 firing)"
    assert slack.title == mail.title


def test_news_of_a_plan_are_told_once(sent: Delivery) -> None:
    """As configured, in 20 s instead of ten minutes: the first have ended when the next are told."""
    written = sent.write()
    waits = f"group_interval: {units.format_exact_duration(570)}"
    assert waits in written.read_text()
    written.write_text(written.read_text().replace(waits, "group_interval: 20s"))
    sent.serve(written)
    old = fired("BackupFinished", "info", "Backed up database crm", database="crm", **PLAN)
    ends = {"endsAt": (datetime.now(UTC) + timedelta(seconds=15)).isoformat()}
    alertmanager.post(sent.server, [old | ends])
    sent.post.inbox.on_each("Backed up database crm")
    new = fired("BackupFinished", "info", "Backed up database shop", database="shop", **PLAN)
    alertmanager.post(sent.server, [new])
    for message in sent.post.inbox.on_each("Backed up database shop"):
        assert "Backed up database crm" not in message.text


def test_an_end_that_repaired_nothing_says_so(sent: Delivery) -> None:
    sent.start()
    alert = fired("BackupSeriesDisappeared", "warning", "The exporter no longer speaks of them", **PLAN)
    alertmanager.post(sent.server, [alert])
    sent.post.inbox.on_each("The exporter no longer speaks of them")
    alertmanager.post(sent.server, [alert | {"endsAt": datetime.now(UTC).isoformat()}])
    for message in sent.post.inbox.on_each("RESOLVED", "nothing was repaired"):
        assert "othing to do" not in message.text


def test_one_database_hides_no_other(sent: Delivery) -> None:
    sent.start()
    event = fired("BackupRunFailed", "warning", "crm failed", database="crm", **PLAN)
    found = [
        fired("BackupFailed", "warning", f"{name} failed", database=name, **PLAN, **EXPORTER)
        for name in ("crm", "locked")
    ]
    alertmanager.post(sent.server, [event, *found])
    wanted = {"BackupRunFailed crm": "active", "BackupFailed crm": "suppressed"}
    wanted["BackupFailed locked"] = "active"
    receivers.until(lambda: states(sent) == wanted, "the event hides what it has told, and no more")


def test_an_event_of_the_whole_plan_hides_each_database(sent: Delivery) -> None:
    sent.start()
    alertmanager.post(sent.server, [fired("BackupRunFailed", "warning", "all failed", **PLAN)])
    alert = fired("BackupFailed", "warning", "crm failed", database="crm", **PLAN, **EXPORTER)
    alertmanager.post(sent.server, [alert])
    wanted = {"BackupRunFailed ": "active", "BackupFailed crm": "suppressed"}
    receivers.until(lambda: states(sent) == wanted, "the event hides what it has told")


def test_a_server_of_another_exporter_hides_nothing(sent: Delivery) -> None:
    sent.start()
    down = fired("PostgresUnreachable", "critical", "main is silent", server="main", **EXPORTER)
    other = {**EXPORTER, "instance": "other:9853"}
    alertmanager.post(sent.server, [down, fired("WalGap", "critical", "a gap", server="main", **other)])
    wanted = {"PostgresUnreachable ": "active", "WalGap ": "active"}
    receivers.until(lambda: states(sent) == wanted, "both are told")
    alertmanager.post(sent.server, [fired("WalGap", "critical", "a gap", server="main", **EXPORTER)])
    receivers.until(
        lambda: any(
            each["status"]["state"] == "suppressed" and each["labels"]["instance"] == "backup:9853"
            for each in alertmanager.alerts(sent.server)
        ),
        "that of the same exporter is hidden",
    )
