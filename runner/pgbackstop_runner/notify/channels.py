"""Which channels there are, and whether anybody hears at all. Pure."""

from __future__ import annotations

from typing import Final

from pgbackstop_catalog.config.notifications import Notifications

# Alertmanager's name of what sends by the channel: "X_configs" in its file, and a label of its metrics.
INTEGRATIONS: Final = {
    "email": "email",
    "slack": "slack",
    "telegram": "telegram",
    "discord": "discord",
    "teams": "msteamsv2",
    "pagerduty": "pagerduty",
    "opsgenie": "opsgenie",
    "webhook": "webhook",
}
# What they get wakes people and stays open until it is resolved.
PAGERS: Final = frozenset({"pagerduty", "opsgenie"})

_NAMES: Final = ", ".join(INTEGRATIONS)


def configured(settings: Notifications) -> tuple[str, ...]:
    """The channels that there are, by the names of their settings."""
    return tuple(name for name in INTEGRATIONS if getattr(settings, name) is not None)


def gaps(settings: Notifications) -> list[str]:
    """Why alerts, or some of them, would reach nobody; a sentence each."""
    channels = configured(settings)
    if not channels and settings.alertmanager is None:
        return [f"Alerts reach nobody: configure one of {_NAMES} under notifications, and alertmanager."]
    if not channels:
        return [
            "Alerts reach nobody unless Alertmanager has receivers of its own: no channel is configured here "
            f"({_NAMES} under notifications)."
        ]
    if settings.alertmanager is None:
        return [
            "A failed backup is told late and a restore not at all: set notifications.alertmanager.url, "
            "so that the runner sends them at once."
        ]
    return []
