"""Which of Alertmanager's counters are of the test."""

import pytest

from pgbackstop_runner.notify import test_message

# By receiver as of 0.27 with --enable-feature=receiver-name-in-metrics.
BY_RECEIVER = """\
alertmanager_notification_requests_total{integration="email",receiver_name="email"} 4
alertmanager_notification_requests_total{integration="webhook",receiver_name="watchdog"} 7
alertmanager_notification_requests_total{integration="webhook",receiver_name="webhook"} 5
alertmanager_notification_requests_total{integration="webhook",receiver_name="webhook-events"} 3
alertmanager_notification_requests_failed_total{integration="webhook",receiver_name="watchdog"} 2
alertmanager_notification_requests_failed_total{integration="webhook",receiver_name="webhook-events"} 1
"""
BY_SERVICE = """\
alertmanager_notification_requests_total{integration="email"} 4
alertmanager_notification_requests_total{integration="webhook"} 15
alertmanager_notification_requests_failed_total{integration="webhook"} 3
"""


@pytest.mark.parametrize(
    ("metrics", "taken", "refused", "are_by_receiver"),
    [(BY_RECEIVER, 2, 1, True), (BY_SERVICE, 12, 3, False)],
)
def test_the_dead_mans_switch_counts_only_where_receivers_are_not_told(
    metrics: str, taken: int, refused: int, are_by_receiver: bool
) -> None:
    counts = test_message.counts_in(metrics)
    assert (counts.taken("webhook"), counts.refused("webhook")) == (taken, refused)
    assert counts.are_by_receiver is are_by_receiver
