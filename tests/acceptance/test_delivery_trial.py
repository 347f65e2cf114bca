"""``pgbackstop notify test`` and what the channels do at night, with a real Alertmanager."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from pgbackstop_runner.notify import alertmanager
from tests.acceptance import delivery
from tests.acceptance.delivery import Delivery
from tests.acceptance.receivers import CHANNELS
from tests.support import ports


@pytest.fixture
def sent(tmp_path: Path) -> Iterator[Delivery]:
    with delivery.opened(tmp_path) as made:
        yield made


def test_each_channel_gets_the_test_and_again_the_next_one(sent: Delivery) -> None:
    sent.start()
    for _ in range(2):
        sent.post.inbox.messages.clear()
        code, seen = sent.run("notify", "test")
        assert code == 0, seen
        assert [line.split(": ")[:2] for line in seen.splitlines()] == [
            [name, "arrived"] for name in CHANNELS
        ]
        assert sorted(message.channel for message in sent.post.inbox.messages) == list(CHANNELS)


def test_one_channel_alone(sent: Delivery) -> None:
    sent.start()
    assert sent.run("notify", "test", "--channel", "telegram") == (0, "telegram: arrived: Telegram took it\n")
    assert [message.channel for message in sent.post.inbox.messages] == ["telegram"]
    code, seen = sent.run("notify", "test", "--channel", "pager")
    assert (code, seen.splitlines()[0]) == (2, "pgbackstop: There is no channel 'pager'.")


def test_what_each_service_says_is_told(sent: Delivery) -> None:
    sent.post.services.answer = (403, "invalid_token")
    settings = sent.post.settings()
    sent.configure(
        email={**settings["email"], "to": ["refused@example.com"]},
        telegram={**settings["telegram"], "chat_id": -7},
    )
    (sent.folder / "telegram").write_text("1:wrong")
    sent.start()
    code, seen = sent.run("notify", "test")
    assert code == 1
    mail, slack, telegram = seen.splitlines()
    assert mail.startswith(
        "email: NOT DELIVERED: Alertmanager could not deliver it. The mail server 127.0.0.1:"
    )
    assert mail.endswith("refuses refused@example.com: 550 5.1.1 No such user here")
    lost = "NOT DELIVERED: Alertmanager could not deliver it."
    assert slack == f"slack: {lost} Slack (127.0.0.1) answers 403: invalid_token"
    assert telegram == f"telegram: {lost} Telegram (127.0.0.1) answers 404: Not Found"


def test_a_mail_server_that_does_not_listen_or_lacks_tls(sent: Delivery) -> None:
    mail = {**sent.post.settings()["email"], "smarthost": f"127.0.0.1:{ports.free()}"}
    sent.configure(email=mail, slack=None, telegram=None)
    sent.start()
    code, seen = sent.run("notify", "test")
    assert (code, "cannot be used: Connection refused." in seen) == (1, True), seen
    sent.configure(email={**sent.post.settings()["email"], "require_tls": True}, slack=None, telegram=None)
    code, seen = sent.run("notify", "config", "--output", str(sent.write()), "--reload")
    assert (code, "has read its configuration again" in seen) == (0, True), seen
    code, seen = sent.run("notify", "test")
    assert (code, "lacks what is configured: STARTTLS" in seen) == (1, True), seen


def test_what_is_configured_here_and_not_loaded_there(sent: Delivery) -> None:
    sent.configure(slack=None, telegram=None)
    sent.start()
    sent.configure()
    code, seen = sent.run("notify", "test")
    assert code == 1
    mail, slack, telegram = seen.splitlines()
    assert mail == "email: arrived: the mail server took it"
    for line in (slack, telegram):
        assert "NOT DELIVERED: it is configured here but not loaded in Alertmanager" in line


def test_alertmanager_is_down_or_not_there(sent: Delivery) -> None:
    code, seen = sent.run("notify", "test")
    assert (code, f"127.0.0.1:{sent.port} cannot be reached: Connection refused." in seen) == (1, True), seen
    sent.configure(alertmanager=None)
    code, seen = sent.run("notify", "test")
    assert (code, seen.splitlines()[0]) == (2, "pgbackstop: There is no Alertmanager to notify.")


def test_no_secret_goes_to_the_screen(sent: Delivery) -> None:
    code, seen = sent.run("notify", "config")
    assert (code, seen.splitlines()[0]) == (
        2,
        "pgbackstop: Secrets would stand in the output, and a screen is no place for them.",
    )
    code, seen = sent.run("notify", "config", "--alertmanager-version", "0.26")
    assert code == 0
    assert yaml.safe_load(seen)["route"]["receiver"] == "nobody"
    assert sent.write("--embed-secrets").stat().st_mode & 0o777 == 0o600
    (sent.folder / "slack").write_text("")
    code, seen = sent.run("notify", "config", "--output", "alertmanager.yml")
    assert (code, seen.splitlines()[0]) == (2, f"pgbackstop: The file {sent.folder}/slack is empty.")


def test_the_check_warns_where_alerts_reach_nobody(sent: Delivery) -> None:
    assert "warning" not in sent.run("config", "check")[1]
    sent.configure(email=None, slack=None, telegram=None)
    code, seen = sent.run("config", "check")
    assert (code, "warning: Alerts reach nobody unless Alertmanager has receivers" in seen) == (0, True)
    sent.configure(email=None, slack=None, telegram=None, alertmanager=None)
    assert "warning: Alerts reach nobody: configure one of email" in sent.run("config", "check")[1]
    sent.configure(alertmanager=None)
    assert "warning: A failed backup is told late" in sent.run("config", "check")[1]


def test_at_night_only_critical_alerts_go_out(sent: Delivery) -> None:
    sent.configure(quiet_hours=[{}])  # every day, all day
    sent.start()
    sent.post_alert("WarningOfTheNight", "warning")
    sent.post_alert("BackupFinished", "info")
    sent.post_alert("BackupCopyDamaged", "warning", backup="20261122T020000Z-5f3a9c")
    sent.post_alert("CriticalOfTheNight", "critical")
    sent.post.inbox.on_each("CRITICAL: CriticalOfTheNight happened")
    sent.post_alert("SecondOfTheNight", "critical")
    sent.post.inbox.on_each("CRITICAL: SecondOfTheNight happened")
    # Each alert was routed to each channel, the first three before those that have arrived.
    groups = re.search(
        r"(?m)^alertmanager_dispatcher_aggregation_groups (\d+)$", alertmanager.metrics(sent.server)
    )
    assert groups is not None
    assert int(groups[1]) == 5 * len(CHANNELS)
    assert {message.channel for message in sent.post.inbox.messages} == set(CHANNELS)
    assert all("CRITICAL" in message.words for message in sent.post.inbox.messages)
    # A test is no alert: it goes out.
    assert sent.run("notify", "test")[0] == 0


def test_many_alerts_with_long_and_hostile_words_fit(sent: Delivery) -> None:
    sent.configure(group_wait="2s")
    sent.start()
    now = datetime.now(UTC)
    words = "<!channel> <b>&amp; \"quotes\" '{{ .Labels }}' ü🐘\n" * 40
    alerts: list[dict[str, object]] = [
        {
            "labels": {
                "alertname": "BackupRunFailed",
                "severity": "critical",
                "server": "main",
                "plan": "x" * 63,
                "database": f'{number} <!channel> & "db" ü',
                "instance": "backup.example:9853",
            },
            "annotations": {
                "summary": words,
                "description": words,
                "runbook_url": "https://example/" + "x" * 60,
            },
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(hours=1)).isoformat(),
        }
        for number in range(30)
    ]
    alertmanager.post(sent.server, alerts)
    mail, slack, telegram = sent.post.inbox.on_each("channel")
    assert "<b>&amp;" in telegram.text
    assert "… 30 in all" in telegram.text
    assert "&lt;!channel&gt;" in slack.text
    assert "<!channel>" not in slack.text
    assert "{{ .Labels }}" in slack.text
    assert mail.title.startswith("CRITICAL: <!channel>")
    assert mail.title.endswith("(30 firing)")
    assert "&lt;!channel&gt;" in mail.html
    assert "<!channel>" not in mail.html
    assert mail.text.count("CRITICAL: <!channel>") == 30
