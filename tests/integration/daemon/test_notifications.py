"""Events reach a real Alertmanager, also when it was down."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from pgbackstop_catalog.model import format_time
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_runner import workspace
from pgbackstop_runner.expire import acknowledge
from pgbackstop_runner.notify import alertmanager_config, backup_events, drill_events
from pgbackstop_runner.notify.alertmanager import post
from tests.integration.daemon.conftest import Alertmanager, Daemons, until
from tests.support import factories, forks

# A schedule that is never due while the test runs.
_SELDOM = {"schedule": "0 2 29 2 *", "drill": {"schedule": "0 5 29 2 *"}}
_RULES = Path(__file__).parents[3] / "alerts" / "pgbackstop.rules.yml"


def _backup() -> Backup:
    return factories.daily(datetime.now(UTC), plan="shop", id="20261122T020000Z-5f3a9c")


def _configure(daemons: Daemons, alertmanager: Alertmanager) -> workspace.Workspace:
    daemons.configure({"shop": _SELDOM}, notifications={"alertmanager": {"url": alertmanager.url}})
    return workspace.open_workspace(daemons.file, on_invalid_record=lambda error: None)


def _command(daemons: Daemons, *words: str) -> subprocess.CompletedProcess[str]:
    return forks.run("--config", str(daemons.file), "notify", *words)


def test_an_event_arrives(daemons: Daemons, alertmanager: Alertmanager) -> None:
    alertmanager.start()
    backup_events.backup_finished(_configure(daemons, alertmanager), _backup())
    (alert,) = alertmanager.alerts()
    assert alert["labels"] == {
        "alertname": "BackupFinished",
        "plan": "shop",
        "server": "main",
        "database": "shop",
        "backup_type": "logical",
        "severity": "info",
    }
    assert alert["annotations"]["summary"] == "Backed up database shop on main (plan shop)"
    assert alert["status"]["state"] == "active"


def _drill(**changes: Any) -> Proof:
    now = datetime.now(UTC)
    return Proof(
        id="20261122T020500Z-5f3a9d",
        proof="drill",
        drill="logical",
        backup="20261122T020000Z-5f3a9c",
        plan="shop",
        server="main",
        database="shop",
        backup_type="logical",
        status=Status.FAILED,
        reason=Reason.CORRUPT,
        started_at=now,
        finished_at=now,
    ).evolve(**changes)


def _from_prometheus(name: str) -> dict[str, object]:
    """The alert that the shipped rule makes of a series of the database."""
    groups = yaml.safe_load(_RULES.read_text())["groups"]
    (rule,) = [each for group in groups for each in group["rules"] if each.get("alert") == name]
    labels = {"job": "pgbackstop", "instance": "localhost:9854", "plan": "shop", "server": "main"}
    labels |= {"database": "shop", "backup_type": "logical", "alertname": name, **rule["labels"]}
    return {"labels": labels, "startsAt": format_time(datetime.now(UTC))}


def test_of_a_failed_drill_people_are_told_once(daemons: Daemons, alertmanager: Alertmanager) -> None:
    """The event has the reason; the alert that Prometheus makes of the same record is inhibited by it."""
    opened = _configure(daemons, alertmanager)
    settings = opened.config.notifications.alertmanager
    assert settings is not None
    alertmanager.start(alertmanager_config.render(opened.config.notifications).text)
    drill_events.finished(opened, _drill())
    post(settings, [_from_prometheus("BackupDrillFailed")])

    def states() -> dict[str, str]:
        return {alert["labels"]["alertname"]: alert["status"]["state"] for alert in alertmanager.alerts()}

    wanted = {"DrillFailed": "active", "BackupDrillFailed": "suppressed"}
    until(lambda: states() == wanted, "the alert is inhibited")
    (event,) = [each for each in alertmanager.alerts() if each["labels"]["alertname"] == "DrillFailed"]
    # It must not end before the next drill.
    assert datetime.fromisoformat(event["endsAt"]) - datetime.now(UTC) > timedelta(days=7)
    assert event["annotations"]["runbook_url"].endswith("/BackupDrillFailed.md")


def test_two_damaged_backups_are_two_alerts_until_somebody_takes_note(
    daemons: Daemons, alertmanager: Alertmanager
) -> None:
    """Prometheus counts them under the same name, and is silent while the events say which they are."""
    opened = _configure(daemons, alertmanager)
    settings = opened.config.notifications.alertmanager
    assert settings is not None
    alertmanager.start(alertmanager_config.render(opened.config.notifications).text)
    condemned = {"status": Status.FAILED, "reason": Reason.CORRUPT, "verification": "failed"}
    first = _backup().evolve(**condemned)
    second = first.evolve(id="20261121T020000Z-5f3a9c")
    for each in (first, second):
        opened.catalog.put(each)
        backup_events.backup_finished(opened, each)
    post(settings, [_from_prometheus("BackupDamaged")])

    def states() -> dict[str, str]:
        told = [each for each in alertmanager.alerts() if each["labels"]["alertname"] == "BackupDamaged"]
        return {each["labels"].get("backup", ""): each["status"]["state"] for each in told}

    until(lambda: states() == {first.id: "active", second.id: "active", "": "suppressed"}, "both are told")
    acknowledge.acknowledge(opened, second.id)
    until(lambda: states() == {first.id: "active", "": "suppressed"}, "one is over")


def test_a_good_drill_ends_the_event_of_the_failed_one(daemons: Daemons, alertmanager: Alertmanager) -> None:
    opened = _configure(daemons, alertmanager)
    alertmanager.start()
    drill_events.finished(opened, _drill())
    drill_events.finished(opened, _drill(status=Status.SUCCEEDED, reason=None))
    assert [alert["labels"]["alertname"] for alert in alertmanager.alerts()] == ["DrillFinished"]


def test_the_daemon_delivers_when_alertmanager_is_back(daemons: Daemons, alertmanager: Alertmanager) -> None:
    opened = _configure(daemons, alertmanager)
    backup_events.backup_finished(opened, _backup())
    outbox = backup_events.outbox(opened)
    assert (len(outbox.entries()), outbox.failures()) == (1, {"alertmanager": 1})
    daemon = daemons.start_and_wait()
    until(lambda: outbox.failures()["alertmanager"] > 1, "the daemon tries again")
    alertmanager.start()
    until(lambda: not outbox.entries(), "the event is delivered")
    assert [alert["labels"]["alertname"] for alert in alertmanager.alerts()] == ["BackupFinished"]
    assert daemons.stop(daemon) == 0


def test_a_test_event_is_sent_and_told(daemons: Daemons, alertmanager: Alertmanager) -> None:
    _configure(daemons, alertmanager)
    refused = _command(daemons, "test")
    assert refused.returncode == 1
    assert f"Alertmanager at 127.0.0.1:{alertmanager.port} cannot be reached" in refused.stderr
    alertmanager.start()
    accepted = _command(daemons, "test")
    assert (accepted.returncode, accepted.stderr) == (0, "")
    assert "accepted a test event" in accepted.stdout
    assert [alert["labels"]["alertname"] for alert in alertmanager.alerts()] == ["BackupNotificationTest"]


def test_what_waits_is_shown(daemons: Daemons, alertmanager: Alertmanager) -> None:
    opened = _configure(daemons, alertmanager)
    assert _command(daemons, "pending").stdout == "0 waiting, 0 failed tries so far, 0 rejected\n"
    backup_events.backup_finished(opened, _backup())
    shown = _command(daemons, "pending").stdout
    assert "backup-succeeded  Backed up database shop on main (plan shop)" in shown
    assert "1 waiting, 1 failed tries so far, 0 rejected" in shown
    assert '"kind": "backup-succeeded"' in _command(daemons, "pending", "--json").stdout


def test_without_alertmanager_there_is_nobody_to_tell(daemons: Daemons) -> None:
    daemons.configure({"shop": _SELDOM})
    told = _command(daemons, "test")
    assert told.returncode == 2
    assert "notifications.alertmanager.url" in told.stderr
