"""One test alert down the real road: through Alertmanager to each channel, and what became of it.

Alertmanager tells to which receivers it gives an alert, and counts for each kind of service how many messages
were taken and how many were not. A real alert at the same moment is counted too, and could pass for ours, as
could the call of a dead man's switch for the test of a webhook; unless Alertmanager counts by receiver, as
0.27 and later do with ``--enable-feature=receiver-name-in-metrics``.
"""

from __future__ import annotations

import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.notifications import Alertmanager, Notifications
from pgbackstop_catalog.model import utc_now
from pgbackstop_runner.notify import alertmanager, diagnosis, event_alerts, events
from pgbackstop_runner.notify.channels import INTEGRATIONS

_SECONDS = 30.0  # a mail server may think for long
_PAUSE = 0.2
_COUNTED = re.compile(
    r"^alertmanager_notification_requests(_failed)?_total\{(.*)\} (\d{1,15}(?:\.\d+)?(?:e\+\d\d)?)$",
    re.MULTILINE | re.ASCII,
)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a channel's service took the message, and what there is to say of it."""

    channel: str
    arrived: bool
    words: str


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What became of the test: a verdict for each channel, and who else got it."""

    verdicts: Sequence[Verdict]
    receivers: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Requests to services, and those that failed, by kind of service and, where that is told, receiver."""

    all: Counter[tuple[str, str]]
    failed: Counter[tuple[str, str]]

    def taken(self, channel: str) -> int:
        """How many the channel's service took."""
        return _of(self.all, channel) - self.refused(channel)

    def refused(self, channel: str) -> int:
        """How many it did not."""
        return _of(self.failed, channel)

    @property
    def are_by_receiver(self) -> bool:
        """Whether receivers are told apart."""
        return any(receiver for _, receiver in self.all)


def _of(counted: Counter[tuple[str, str]], channel: str) -> int:
    """Those by the receiver of tests; where receivers are not told, all of that kind of service."""
    integration = INTEGRATIONS[channel]
    return counted[integration, ""] + counted[integration, f"{channel}-events"]


def run(settings: Notifications, server: Alertmanager, channels: Sequence[str], *, only: str = "") -> Trial:
    """Send one test, to ``only`` one of the channels where that is given. Raises NotAccepted."""
    before = _counts(server)
    alert = _send(server, only)
    receivers = [receiver["name"] for receiver in alert["receivers"]]
    hindrance = _hindrance(alert)
    loaded = [channel for channel in channels if f"{channel}-events" in receivers and not hindrance]
    _until(lambda: all(_is_decided(before, _counts(server), channel) for channel in loaded))
    after = _counts(server)
    verdicts = [
        _judge(settings, channel, before, after) if channel in loaded else _not_sent(channel, hindrance)
        for channel in channels
    ]
    return Trial(verdicts=verdicts, receivers=receivers)


def _send(server: Alertmanager, only: str) -> dict[str, Any]:
    """The alert as Alertmanager has it, once it has seen to it."""
    now, mark = utc_now(), secrets.token_hex(4)
    alert = event_alerts.to_alert(events.of_test(now), now)
    labels: dict[str, str] = {"test": mark, **({"test_channel": only} if only else {})}
    alertmanager.post(server, [{**alert, "labels": {**_labels(alert), **labels}}])
    found: list[dict[str, Any]] = []

    def is_seen() -> bool:
        found[:] = alertmanager.alerts(server, test=mark)
        return bool(found) and found[0]["status"]["state"] != "unprocessed"

    _until(is_seen)
    if not found:
        raise errors.PgbackstopError(
            f"{alertmanager.place(server)} accepted a test event and does not show it.",
            remedy="Look at its log.",
        )
    return found[0]


def _labels(alert: dict[str, object]) -> dict[str, str]:
    labels = alert["labels"]
    return dict(labels) if isinstance(labels, dict) else {}


def _hindrance(alert: dict[str, Any]) -> str:
    status = alert["status"]
    if status["silencedBy"]:
        return "a silence in Alertmanager holds it back: look at its Silences"
    return "another alert in Alertmanager inhibits it" if status["inhibitedBy"] else ""


def _not_sent(channel: str, hindrance: str) -> Verdict:
    words = hindrance or (
        "it is configured here but not loaded in Alertmanager: write its configuration with "
        "'pgbackstop notify config --output FILE --reload'"
    )
    return Verdict(channel=channel, arrived=False, words=words)


def _judge(settings: Notifications, channel: str, before: Counts, after: Counts) -> Verdict:
    if after.taken(channel) > before.taken(channel):
        is_shared = channel == "webhook" and settings.watchdog_url_file and not after.are_by_receiver
        words = _TAKEN[channel] + (_OR_WATCHDOG if is_shared else "")
        return Verdict(channel=channel, arrived=True, words=words)
    if after.refused(channel) > before.refused(channel):
        what = "Alertmanager could not deliver it."
    else:
        what = f"Alertmanager has no answer after {_SECONDS:.0f} seconds and goes on trying."
    try:
        reason = diagnosis.why(settings, channel)
    except errors.ConfigError as error:
        reason = str(error)
    return Verdict(channel=channel, arrived=False, words=f"{what} {reason}")


_TAKEN = {
    "email": "the mail server took it",
    "slack": "Slack took it",
    "telegram": "Telegram took it",
    "discord": "Discord took it",
    "teams": "Microsoft Teams took it",
    "pagerduty": "PagerDuty took it",
    "opsgenie": "Opsgenie took it",
    "webhook": "what answers there took it",
}
_OR_WATCHDOG = (
    ", or the dead man's switch a call, which Alertmanager counts as the same: look whether it is there"
)


def _is_decided(before: Counts, now: Counts, channel: str) -> bool:
    return now.taken(channel) > before.taken(channel) or now.refused(channel) > before.refused(channel)


def _counts(server: Alertmanager) -> Counts:
    return counts_in(alertmanager.metrics(server))


def counts_in(metrics: str) -> Counts:
    """What Alertmanager's metrics say of requests; what is no such line is passed over."""
    every: Counter[tuple[str, str]] = Counter()
    failed: Counter[tuple[str, str]] = Counter()
    for is_failed, text, value in _COUNTED.findall(metrics):
        labels = dict(_LABEL.findall(text))
        key = labels.get("integration", ""), labels.get("receiver_name", "")
        (failed if is_failed else every)[key] += int(float(value))
    return Counts(all=every, failed=failed)


def _until(happened: Callable[[], bool]) -> None:
    """Wait for it, and no longer than ``_SECONDS``."""
    deadline = time.monotonic() + _SECONDS
    while not happened() and time.monotonic() < deadline:
        time.sleep(_PAUSE)
