"""Which channels there are, and what is said where alerts would reach nobody."""

from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.config.notifications import Notifications
from pgbackstop_runner.notify import channels

EMAIL = {"to": ["dba@example.com"], "sender": "backups@example.com", "smarthost": "mail.example.com:587"}
SLACK = {"api_url_file": Path("slack")}
TELEGRAM = {"bot_token_file": Path("token"), "chat_id": -100}
DISCORD = {"webhook_url_file": Path("discord")}
TEAMS = {"webhook_url_file": Path("teams")}
PAGERDUTY = {"routing_key_file": Path("key")}
OPSGENIE = {"api_key_file": Path("key")}
WEBHOOK = {"url_file": Path("url")}
ALERTMANAGER = {"url": "http://127.0.0.1:9093"}


def settings(**channel: Any) -> Notifications:
    return Notifications.model_validate(channel)


@pytest.mark.parametrize(
    ("configured", "names"),
    [
        ({}, ()),
        ({"alertmanager": ALERTMANAGER}, ()),
        ({"telegram": TELEGRAM}, ("telegram",)),
        ({"telegram": TELEGRAM, "slack": SLACK, "email": EMAIL}, ("email", "slack", "telegram")),
    ],
)
def test_the_channels_that_there_are(configured: dict[str, Any], names: tuple[str, ...]) -> None:
    assert channels.configured(settings(**configured)) == names


@pytest.mark.parametrize(
    ("configured", "sentence"),
    [
        ({}, "Alerts reach nobody: configure one of email"),
        ({"alertmanager": ALERTMANAGER}, "Alerts reach nobody unless Alertmanager has receivers of its own"),
        ({"slack": SLACK}, "A failed backup is told late and a restore not at all"),
    ],
)
def test_who_would_not_hear(configured: dict[str, Any], sentence: str) -> None:
    (gap,) = channels.gaps(settings(**configured))
    assert gap.startswith(sentence)


EACH = {
    "email": EMAIL,
    "slack": SLACK,
    "telegram": TELEGRAM,
    "discord": DISCORD,
    "teams": TEAMS,
    "pagerduty": PAGERDUTY,
    "opsgenie": OPSGENIE,
    "webhook": WEBHOOK,
}


@pytest.mark.parametrize("channel", [{name: settings} for name, settings in EACH.items()], ids=EACH)
def test_one_channel_and_alertmanager_are_enough(channel: dict[str, Any]) -> None:
    assert channels.gaps(settings(alertmanager=ALERTMANAGER, **channel)) == []
