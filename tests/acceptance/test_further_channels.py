"""Discord, PagerDuty, Opsgenie and a webhook of one's own, with a real Alertmanager before the stand-ins."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import delivery, receivers
from tests.acceptance.delivery import Delivery
from tests.acceptance.receivers import FURTHER


@pytest.fixture
def sent(tmp_path: Path) -> Iterator[Delivery]:
    with delivery.opened(tmp_path) as made:
        made.configure(**made.post.further())
        yield made


def taken(sent: Delivery, channel: str) -> list[dict[str, Any]]:
    return [each for each in sent.post.inbox.pages if each["channel"] == channel]


def test_each_takes_the_test(sent: Delivery) -> None:
    sent.start()
    code, seen = sent.run("notify", "test")
    assert code == 0, seen
    assert seen.splitlines() == [
        "discord: arrived: Discord took it",
        "pagerduty: arrived: PagerDuty took it",
        "opsgenie: arrived: Opsgenie took it",
        "webhook: arrived: what answers there took it",
    ]
    assert {each["channel"] for each in sent.post.inbox.pages} == set(FURTHER)


def test_what_may_have_been_a_dead_mans_switch_is_called_so(sent: Delivery) -> None:
    sent.configure(**{**sent.post.further(), "watchdog_url_file": str(sent.folder / "watchdog")})
    sent.start()
    code, seen = sent.run("notify", "test", "--channel", "webhook")
    assert code == 0, seen
    assert "webhook: arrived: what answers there took it, or the dead man's switch a call" in seen


def test_a_critical_alert_in_the_words_of_each(sent: Delivery) -> None:
    sent.start()
    sent.post_alert("BackupTooOld", "critical")
    receivers.until(
        lambda: {each["channel"] for each in sent.post.inbox.pages} == set(FURTHER), "a message on each"
    )
    (discord, pagerduty, opsgenie, webhook) = (taken(sent, channel)[0] for channel in FURTHER)
    (embed,) = discord["message"]["embeds"]
    assert embed["title"] == "CRITICAL: BackupTooOld happened"
    assert "🔴 CRITICAL: BackupTooOld happened" in embed["description"]
    page = pagerduty["message"]
    assert (page["routing_key"], page["event_action"]) == ("secret-routing-key", "trigger")
    assert page["payload"]["severity"] == "critical"
    assert page["payload"]["summary"] == "CRITICAL: BackupTooOld happened"
    assert "BackupTooOld happened" in page["payload"]["custom_details"]["alerts"]
    assert opsgenie["authorization"] == "GenieKey secret-api-key"
    assert (opsgenie["message"]["message"], opsgenie["message"]["priority"]) == (
        "CRITICAL: BackupTooOld happened",
        "P1",
    )
    assert webhook["authorization"] == "Bearer secret-token"
    assert [each["labels"]["alertname"] for each in webhook["message"]["alerts"]] == ["BackupTooOld"]


def test_nobody_is_paged_for_a_good_backup(sent: Delivery) -> None:
    sent.start()
    sent.post_alert("BackupFinished", "info")
    receivers.until(lambda: taken(sent, "discord") and taken(sent, "webhook"), "the news in chats")
    sent.post_alert("BackupTooOld", "warning")
    receivers.until(lambda: taken(sent, "pagerduty") and taken(sent, "opsgenie"), "the pages")
    assert [each["message"]["payload"]["severity"] for each in taken(sent, "pagerduty")] == ["warning"]
    assert [each["message"]["priority"] for each in taken(sent, "opsgenie")] == ["P3"]


def test_what_discord_says_is_told_and_the_address_is_not(sent: Delivery) -> None:
    (sent.folder / "discord").write_text(f"{sent.post.services.url}/api/webhooks/1/secret-of-another\n")
    sent.start()
    code, seen = sent.run("notify", "test", "--channel", "discord")
    assert code == 1
    assert "Discord (127.0.0.1) answers 404: Unknown Webhook" in seen
