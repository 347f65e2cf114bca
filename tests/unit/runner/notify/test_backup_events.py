"""Notices on their way: kept until accepted, counted when not, and never in the way."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.config.notifications import Alertmanager
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_runner.notify import alertmanager, backup_events, event_alerts, events
from pgbackstop_runner.notify.events import Event
from pgbackstop_runner.workspace import Workspace
from tests.support import storages
from tests.unit.runner.notify.finished_backup import NOW, finished, labels_of
from tests.unit.runner.stub_alertmanager import StubAlertmanager


@pytest.fixture
def server() -> Iterator[StubAlertmanager]:
    with StubAlertmanager() as answering:
        thread = threading.Thread(target=answering.serve_forever, args=(0.01,))
        thread.start()
        yield answering
        answering.shutdown()
        thread.join()


def _workspace(folder: Path, url: str | None) -> Workspace:
    document: dict[str, Any] = {
        "servers": {"main": {}},
        "storages": {"disk": {"kind": "folder", "path": folder}},
    }
    if url is not None:
        document["notifications"] = {"alertmanager": {"url": url, "timeout": "5s"}}
    checked = Config.model_validate(document)
    return Workspace(
        file=folder / "pgbackstop.yaml", config=checked, catalog=storages.catalog(checked.catalog_folder())
    )


@pytest.fixture
def opened(tmp_path: Path, server: StubAlertmanager) -> Workspace:
    return _workspace(tmp_path, server.url)


def _waiting(opened: Workspace) -> list[Path]:
    return backup_events.outbox(opened).entries()


def test_only_what_was_told_is_ended(opened: Workspace, server: StubAlertmanager) -> None:
    backup_events.backup_finished(opened, finished(status=Status.FAILED))
    server.received[0]["labels"]["database"] = "other"
    backup_events.backup_finished(opened, finished(status=Status.FAILED))
    backup_events.backup_finished(opened, finished())
    assert labels_of(server.received[2:]) == [
        ("BackupFinished", "info", "shop"),
        ("BackupRunFailed", "warning", "shop"),
    ]
    assert server.received[3]["annotations"]["summary"] == (
        "Backups of database shop on main (plan shop-daily) succeed again"
    )


def test_the_second_failure_in_a_row_is_critical(opened: Workspace, server: StubAlertmanager) -> None:
    def fails(number: int, database: str, status: Status = Status.FAILED) -> None:
        record = finished(id=f"2026112{number}T020000Z-5f3a9c", database=database, status=status)
        opened.catalog.put(record)
        backup_events.backup_finished(opened, record)

    fails(0, "shop")
    fails(1, "shop", Status.SUCCEEDED)
    fails(2, "shop")
    fails(3, "other")
    fails(4, "shop", Status.MISSED)
    fails(5, "shop", Status.INTERRUPTED)
    told = [
        each
        for each in server.received
        if each["labels"]["alertname"] == "BackupRunFailed" and each["startsAt"] != each["endsAt"]
    ]
    assert labels_of(told) == [
        ("BackupRunFailed", "warning", "shop"),
        ("BackupRunFailed", "warning", "shop"),
        ("BackupRunFailed", "warning", "other"),
        ("BackupRunFailed", "critical", "shop"),
    ]
    assert "2 failures in a row" in told[-1]["annotations"]["summary"]


def test_a_failure_lasts_until_the_next_attempt_is_over(tmp_path: Path, server: StubAlertmanager) -> None:
    opened = _workspace(tmp_path, server.url)
    backup_events.announce(opened, finished(plan="main-physical", status=Status.FAILED))
    event = backup_events.outbox(opened).read(_waiting(opened)[0])
    # A week, six hours that a run may take, and one that it may be late.
    assert event.ends_at - event.starts_at == timedelta(days=7, hours=7)


def test_a_finished_backup_is_told_at_once(opened: Workspace, server: StubAlertmanager) -> None:
    backup_events.backup_finished(opened, finished())
    assert [alert["labels"]["alertname"] for alert in server.received] == ["BackupFinished"]
    assert server.requests == ["POST /api/v2/alerts application/json"]
    assert _waiting(opened) == []
    assert backup_events.outbox(opened).failures() == {}


def test_a_running_backup_is_not_told(opened: Workspace, server: StubAlertmanager) -> None:
    backup_events.backup_finished(opened, finished(status=Status.RUNNING, finished_at=None))
    assert server.requests == []


def test_without_alertmanager_nothing_is_queued(tmp_path: Path) -> None:
    opened = _workspace(tmp_path, None)
    backup_events.backup_finished(opened, finished())
    assert not (opened.state.root / "outbox").exists()
    assert backup_events.deliver(opened) == backup_events.Delivery()


@pytest.mark.parametrize("code", [401, 404, 429, 500, 503, 302])
def test_what_may_be_accepted_later_is_kept_and_counted(
    opened: Workspace, server: StubAlertmanager, code: int
) -> None:
    server.codes = [code]
    backup_events.backup_finished(opened, finished())
    assert len(_waiting(opened)) == 1
    assert backup_events.outbox(opened).failures() == {"alertmanager": 1}
    # A redirect is not followed: its GET would be answered, and the event be lost.
    assert [request for request in server.requests if request.startswith("GET")] == []
    assert backup_events.deliver(opened) == backup_events.Delivery(accepted=1)
    assert len(server.received) == 1
    assert backup_events.outbox(opened).failures() == {"alertmanager": 1}


@pytest.mark.parametrize("code", [400, 422])
def test_what_is_refused_is_put_aside_and_the_others_go_on(
    opened: Workspace, server: StubAlertmanager, code: int
) -> None:
    for plan in ("first", "second"):
        backup_events.announce(opened, finished(plan=plan))
    server.codes = [code]
    delivery = backup_events.deliver(opened)
    assert (delivery.accepted, delivery.rejected, delivery.pending) == (1, 1, 0)
    outbox = backup_events.outbox(opened)
    assert (outbox.rejected(), outbox.failures()) == (1, {"alertmanager": 1})


def test_the_first_that_cannot_be_delivered_ends_the_try(opened: Workspace, server: StubAlertmanager) -> None:
    for _ in range(3):
        backup_events.announce(opened, finished())
    server.codes = [200, 503]
    delivery = backup_events.deliver(opened)
    assert (delivery.accepted, delivery.pending, len(server.requests)) == (1, 2, 2)
    assert "answers 503" in delivery.problem


def test_nobody_listens(tmp_path: Path, server: StubAlertmanager) -> None:
    opened = _workspace(tmp_path, server.url)
    server.server_close()
    backup_events.backup_finished(opened, finished())
    delivery = backup_events.deliver(opened)
    assert delivery.pending == 1
    assert "cannot be reached: Connection refused" in delivery.problem
    assert backup_events.outbox(opened).failures() == {"alertmanager": 2}


def test_an_answer_that_never_comes_is_not_waited_for(opened: Workspace) -> None:
    with StubAlertmanager() as mute:
        # It listens and accepts, and that is all.
        impatient = Alertmanager(url=mute.url, timeout=0.2)
        with pytest.raises(alertmanager.Unreachable, match="timed out"):
            alertmanager.post(impatient, [event_alerts.to_alert(events.of_test(NOW), NOW)])


@pytest.mark.parametrize("body", [b"<html>Log in</html>", b'[{"labels": {'])
@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED])
def test_a_login_page_is_no_alertmanager(
    opened: Workspace, server: StubAlertmanager, body: bytes, status: Status
) -> None:
    """It answers 200 to everything, and would lose each notice."""
    server.body = body
    backup_events.announce(
        opened, finished(status=status, reason=Reason.TOOL if status is Status.FAILED else None)
    )
    delivery = backup_events.deliver(opened)
    assert (delivery.accepted, delivery.rejected, delivery.pending) == (0, 0, 1)
    assert "does not speak like Alertmanager. Check notifications.alertmanager.url" in delivery.problem
    server.body = b""
    assert backup_events.deliver(opened).accepted == 1


def test_a_refused_question_does_not_stop_the_news(opened: Workspace, server: StubAlertmanager) -> None:
    server.refused = 400
    backup_events.announce(opened, finished())
    assert backup_events.deliver(opened).accepted == 1


def test_garbage_in_the_outbox_is_put_aside(opened: Workspace, server: StubAlertmanager) -> None:
    backup_events.announce(opened, finished())
    (opened.state.root / "outbox" / "00000000T000000Z-000000.json").write_text("{")
    delivery = backup_events.deliver(opened)
    assert (delivery.accepted, delivery.rejected, delivery.pending) == (1, 1, 0)
    assert len(server.received) == 1


def test_a_notice_of_a_newer_version_is_left(opened: Workspace) -> None:
    backup_events.announce(opened, finished())
    entry = _waiting(opened)[0]
    document = json.loads(entry.read_text()) | {"record_version": 2}
    entry.write_text(json.dumps(document))
    delivery = backup_events.deliver(opened)
    assert (delivery.accepted, delivery.rejected, delivery.pending) == (0, 0, 1)
    assert "newer pgbackstop" in delivery.problem


def test_the_budget_of_time_ends_a_delivery(opened: Workspace, server: StubAlertmanager) -> None:
    backup_events.announce(opened, finished())
    assert backup_events.deliver(opened, seconds=-1).pending == 1
    assert server.requests == []


def test_while_another_process_delivers_nothing_is_sent_twice(
    opened: Workspace, server: StubAlertmanager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_events, "_LOCK_PATIENCE", 0.3)
    backup_events.announce(opened, finished())
    with opened.state.held(backup_events.LOCK, "a test"):
        assert backup_events.deliver(opened).problem == "Another process is delivering."
    assert server.requests == []


def test_a_full_catalog_does_not_silence(opened: Workspace, server: StubAlertmanager) -> None:
    # A file where the folder should be fails as a full disk does, for root too.
    (opened.state.root / "outbox").write_text("")
    backup_events.backup_finished(opened, finished(status=Status.FAILED, message="No space left on device."))
    assert [alert["labels"]["alertname"] for alert in server.received] == ["BackupRunFailed"]


def test_a_full_catalog_without_alertmanager_is_no_error(tmp_path: Path) -> None:
    opened = _workspace(tmp_path, None)
    (opened.state.root / "outbox").write_text("")
    backup_events.backup_finished(opened, finished())
    backup_events.announce(opened, finished())


def test_nothing_that_goes_wrong_reaches_the_backup(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_args: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(alertmanager, "post", broken)
    backup_events.backup_finished(opened, finished())
    assert len(_waiting(opened)) == 1


def test_the_tally_survives_damage(opened: Workspace) -> None:
    outbox = backup_events.outbox(opened)
    backup_events.announce(opened, finished())
    (outbox.folder / "tally.state").write_text("[")
    outbox.count_failure("alertmanager")
    assert outbox.failures() == {"alertmanager": 1}


def test_files_are_private(opened: Workspace, server: StubAlertmanager) -> None:
    server.codes = [503]
    backup_events.backup_finished(opened, finished())
    modes = {path.name: path.stat().st_mode & 0o777 for path in backup_events.outbox(opened).folder.iterdir()}
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("attempt", ["entries", "put", "read", "remove", "failures"])
def test_an_outbox_that_cannot_be_used_is_one_sentence(opened: Workspace, attempt: str) -> None:
    outbox = backup_events.outbox(opened)
    outbox.folder.write_text("")  # a file, no folder
    event = events.of_test(NOW)
    with pytest.raises(errors.CatalogError, match="The catalog cannot be"):
        {
            "entries": outbox.entries,
            "put": lambda: outbox.put(event, NOW),
            "read": lambda: outbox.read(outbox.folder / "x.json"),
            "remove": lambda: outbox.remove(outbox.folder / "x.json"),
            "failures": outbox.failures,
        }[attempt]()


def test_a_notice_reads_back(opened: Workspace) -> None:
    event = events.of_backup(finished())
    assert event is not None
    backup_events.queue(opened, event)
    assert backup_events.outbox(opened).read(_waiting(opened)[0]) == Event.model_validate(dict(event))


def test_a_damaged_backup_is_told_with_those_that_are_still_good(
    opened: Workspace, server: StubAlertmanager
) -> None:
    damaged = finished(status=Status.FAILED, reason=Reason.CORRUPT, verification="failed", message="Cut.")
    built_on_it = finished(id="20261123T020000Z-5f3a9c", parent=damaged.id)
    good = finished(id="20261121T020000Z-5f3a9c")
    other = finished(id="20261124T020000Z-5f3a9c", database="crm")
    for each in (damaged, built_on_it, good, other):
        opened.catalog.put(each)
    backup_events.backup_finished(opened, damaged)
    assert labels_of(server.received) == [("BackupDamaged", "critical", "shop")]
    assert (
        f"Still good, as far as is known: 1, the newest {good.id}"
        in (server.received[0]["annotations"]["description"])
    )
