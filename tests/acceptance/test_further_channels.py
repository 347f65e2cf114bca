"""Discord, PagerDuty, Opsgenie and a webhook of one's own, with a real Alertmanager before the stand-ins."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import delivery_desk, receivers
from tests.acceptance.delivery_desk import Desk
from tests.acceptance.receivers import FURTHER


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with delivery_desk.opened(tmp_path) as made:
        made.configure(**made.post.further())
        yield made


def taken(desk: Desk, channel: str) -> list[dict[str, Any]]:
    return [each for each in desk.post.inbox.pages if each["channel"] == channel]


def test_each_takes_the_test(desk: Desk) -> None:
    desk.start()
    code, seen = desk.run("notify", "test")
    assert code == 0, seen
    assert seen.splitlines() == [
        "discord: arrived: Discord took it",
        "pagerduty: arrived: PagerDuty took it",
        "opsgenie: arrived: Opsgenie took it",
        "webhook: arrived: what answers there took it",
    ]
    assert {each["channel"] for each in desk.post.inbox.pages} == set(FURTHER)


def test_what_may_have_been_a_dead_mans_switch_is_called_so(desk: Desk) -> None:
    desk.configure(**{**desk.post.further(), "watchdog_url_file": str(desk.folder / "watchdog")})
    desk.start()
    code, seen = desk.run("notify", "test", "--channel", "webhook")
    assert code == 0, seen
    assert "webhook: arrived: what answers there took it, or the dead man's switch a call" in seen


def test_a_critical_alert_in_the_words_of_each(desk: Desk) -> None:
    desk.start()
    desk.post_alert("BackupTooOld", "critical")
    receivers.until(
        lambda: {each["channel"] for each in desk.post.inbox.pages} == set(FURTHER), "a message on each"
    )
    (discord, pagerduty, opsgenie, webhook) = (taken(desk, channel)[0] for channel in FURTHER)
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


def test_nobody_is_paged_for_a_good_backup(desk: Desk) -> None:
    desk.start()
    desk.post_alert("BackupFinished", "info")
    receivers.until(lambda: taken(desk, "discord") and taken(desk, "webhook"), "the news in chats")
    desk.post_alert("BackupTooOld", "warning")
    receivers.until(lambda: taken(desk, "pagerduty") and taken(desk, "opsgenie"), "the pages")
    assert [each["message"]["payload"]["severity"] for each in taken(desk, "pagerduty")] == ["warning"]
    assert [each["message"]["priority"] for each in taken(desk, "opsgenie")] == ["P3"]


def test_what_discord_says_is_told_and_the_address_is_not(desk: Desk) -> None:
    (desk.folder / "discord").write_text(f"{desk.post.services.url}/api/webhooks/1/secret-of-another\n")
    desk.start()
    code, seen = desk.run("notify", "test", "--channel", "discord")
    assert code == 1
    assert "Discord (127.0.0.1) answers 404: Unknown Webhook" in seen
