"""Metrics and alerts written to another Prometheus, as Mimir and Thanos receive them, and rules there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from pgbackstop_catalog.records.attempt import Status
from tests.dashboards.prometheus import Prometheus
from tests.integration.exporter.running import Exporter
from tests.integration.exporter.test_exporter import configure
from tests.support.factories import catalog_and_files, daily

RULES = Path(__file__).parents[3] / "alerts" / "pgbackstop.rules.yml"
HERE = {"cluster": "north"}
# A series of which nothing was heard for that long has ended; five minutes, as it comes.
RECEIVES = ("--web.enable-remote-write-receiver", "--query.lookback-delta=20s")
FAILED = {"alertname": "BackupFailed", "alertstate": "firing", "plan": "daily"}


@pytest.fixture
def target(tmp_path: Path) -> Iterator[str]:
    """Of an exporter that knows a good backup, and a newer one that failed."""
    now = datetime.now(UTC)
    good = daily(now - timedelta(hours=3), scheduled_for=now)
    bad = daily(now - timedelta(hours=1), status=Status.FAILED, scheduled_for=now)
    catalog_and_files(tmp_path, good, bad)
    with Exporter(configure(tmp_path)) as exporter:
        yield exporter.address.removeprefix("http://")


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """Ours, which fire at once: no test waits for minutes."""
    text = re.sub(r"^( +)for: .*$", r"\1for: 0s", RULES.read_text(), flags=re.MULTILINE)
    (tmp_path / "rules.yml").write_text(text)
    assert yaml.safe_load(text)["groups"]
    return tmp_path / "rules.yml"


def folder(tmp_path: Path, name: str) -> Path:
    made = tmp_path / name
    made.mkdir()
    return made


def selector(name: str, **labels: str) -> str:
    return f"{name}{{{','.join(f'{key}={value!r}' for key, value in labels.items())}}}"


def test_metrics_and_alerts_arrive_with_the_labels_of_where_they_are_from(
    tmp_path: Path, target: str, rules: Path
) -> None:
    """Where Prometheus evaluates the rules itself, and the receiver keeps what it says."""
    with (
        Prometheus(folder(tmp_path, "receiver"), "", flags=RECEIVES) as receiver,
        Prometheus(
            folder(tmp_path, "sender"), target, rules, external_labels=HERE, receiver=receiver
        ) as sender,
    ):
        asked = selector("backup_last_success_time", job="pgbackstop", plan="daily", **HERE)
        receiver.until(lambda: bool(receiver.instant(asked)), "the metric arrived")
        alerts = selector("ALERTS", **FAILED, **HERE)
        receiver.until(lambda: bool(receiver.instant(alerts)), "the alert arrived")
        # At home they have no such label, so that rules and dashboards are the same everywhere.
        assert sender.instant("backup_last_success_time")
        assert not sender.instant(asked)


def test_rules_on_the_receiver_judge_what_an_agent_writes(tmp_path: Path, target: str, rules: Path) -> None:
    """And say so when nobody writes any more: `up` is written by who is gone, so `absent` has to."""
    with Prometheus(folder(tmp_path, "receiver"), "", rules, flags=RECEIVES) as receiver:
        absent = selector("ALERTS", alertname="BackupMetricsAbsent", alertstate="firing")
        receiver.until(lambda: bool(receiver.instant(absent)), "the alert before anything was written")
        with Prometheus(
            folder(tmp_path, "agent"), target, external_labels=HERE, receiver=receiver, agent=True
        ):
            alerts = selector("ALERTS", **FAILED, **HERE)
            receiver.until(lambda: bool(receiver.instant(alerts)), "the alert of the receiver's own rules")
            receiver.until(lambda: not receiver.instant(absent), "the end of the alert that nothing is there")
        receiver.until(lambda: bool(receiver.instant(absent)), "the alert after the agent has gone")


def test_one_of_several_senders_that_falls_silent_is_missed_by_its_own_rule(
    tmp_path: Path, target: str, rules: Path
) -> None:
    """The rule of docs/how-to/remote-write.md: the shipped one is content with any sender's metrics."""
    text = rules.read_text() + documented_rule()
    rules.write_text(text)
    with (
        Prometheus(folder(tmp_path, "receiver"), "", rules, flags=RECEIVES) as receiver,
        Prometheus(folder(tmp_path, "north"), target, external_labels=HERE, receiver=receiver),
    ):
        silent = selector("ALERTS", alertname="BackupClusterSilent", alertstate="firing", cluster="south")
        receiver.until(lambda: bool(receiver.instant("backup_last_success_time")), "the metrics of the other")
        receiver.until(lambda: bool(receiver.instant(silent)), "the alert of who has not written")
        heard = selector("ALERTS", alertname="BackupClusterSilent", **HERE)
        receiver.until(lambda: not receiver.instant(heard), "no alert of who has")
        absent = selector("ALERTS", alertname="BackupMetricsAbsent", alertstate="firing")
        receiver.until(lambda: not receiver.instant(absent), "the end of the alert that nothing is there")
        assert receiver.instant(silent)


def documented_rule() -> str:
    """The block of YAML on the page, as a group among the others, firing at once."""
    page = Path(__file__).parents[3] / "docs" / "how-to" / "remote-write.md"
    (block,) = re.findall(r"```yaml\ngroups:\n(.*?)```", page.read_text(), re.DOTALL)
    return re.sub(r"for: \S+", "for: 0s", str(block))
