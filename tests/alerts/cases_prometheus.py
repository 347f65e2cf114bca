"""Prometheus, Alertmanager and the other exporters."""

from tests.alerts.story import HOUR, Case

PROMETHEUS = {"job": "prometheus", "instance": "localhost:9090"}
ALERTMANAGER = {"job": "alertmanager", "instance": "alertmanager:9093"}


def prometheus(alert: str, story: str, series: dict[str, str | float], at: dict[int, str | None]) -> Case:
    return Case(alert=alert, story=story, series=series, at=at, labels=PROMETHEUS)


def alertmanager(alert: str, story: str, series: dict[str, str | float], at: dict[int, str | None]) -> Case:
    return Case(alert=alert, story=story, series=series, at=at, labels=ALERTMANAGER)


OURS = 'prometheus_rule_evaluation_failures_total{rule_group="/etc/pgbackstop.rules.yml;pgbackstop-wal"}'
THEIRS = 'prometheus_rule_evaluation_failures_total{rule_group="/etc/prometheus/other.yml;other"}'
FAILED = 'alertmanager_notifications_failed_total{integration="email"}'

CASES = [
    prometheus(
        "MonitoringRulesFailing", "each evaluation fails", {OURS: "0x5 0+1x60"}, {5: None, 20: "critical"}
    ),
    prometheus("MonitoringRulesFailing", "rules of others fail", {THEIRS: "0+1x60"}, {30: None}),
    prometheus("MonitoringRulesFailing", "one evaluation failed", {OURS: "0x5 1x90"}, {8: None, 30: None}),
    prometheus(
        "MonitoringAlertmanagerMissing",
        "none is known",
        {"prometheus_notifications_alertmanagers_discovered": 0},
        {9: None, 11: "critical"},
    ),
    prometheus(
        "MonitoringAlertmanagerMissing",
        "one is known",
        {"prometheus_notifications_alertmanagers_discovered": 1},
        {HOUR: None},
    ),
    prometheus(
        "MonitoringAlertsDropped",
        "Alertmanager is away",
        {"prometheus_notifications_dropped_total": "0x5 0+2x60"},
        {5: None, 20: "critical"},
    ),
    prometheus(
        "MonitoringAlertsDropped",
        "none was ever dropped since a day on which some were",
        {"prometheus_notifications_dropped_total": 7},
        {HOUR: None},
    ),
    alertmanager(
        "MonitoringDeliveryFailing", "a token expired", {FAILED: "0x5 0+1x60"}, {5: None, 10: "critical"}
    ),
    alertmanager("MonitoringDeliveryFailing", "all arrived", {FAILED: 0}, {HOUR: None}),
    prometheus(
        "MonitoringConfigNotLoaded",
        "Prometheus' file has an error",
        {"prometheus_config_last_reload_successful": "1x5 0x60"},
        {5: None, 12: "warning"},
    ),
    alertmanager(
        "MonitoringConfigNotLoaded",
        "Alertmanager's file has an error",
        {"alertmanager_config_last_reload_successful": "1x5 0x60"},
        {5: None, 12: "warning"},
    ),
    prometheus(
        "MonitoringConfigNotLoaded",
        "it is right",
        {"prometheus_config_last_reload_successful": 1},
        {HOUR: None},
    ),
    alertmanager(
        "MonitoringTargetDown", "Alertmanager is down", {"up": "1x5 0x60"}, {5: None, 12: "warning"}
    ),
    alertmanager("MonitoringTargetDown", "a restart", {"up": "1x5 0x3 1x60"}, {9: None, 20: None}),
    Case(
        alert="MonitoringTargetDown",
        story="what others scrape is theirs",
        series={"up": 0},
        at={HOUR: None},
        labels={"job": "node", "instance": "host:9100"},
    ),
]
