"""Which channels there are, and whether anybody hears at all. Pure."""

from __future__ import annotations

from pgbackstop_catalog.config.notifications import Notifications


def configured(settings: Notifications) -> tuple[str, ...]:
    """The channels that there are: Alertmanager's names of them."""
    return tuple(name for name in ("email", "slack", "telegram") if getattr(settings, name) is not None)


def gaps(settings: Notifications) -> list[str]:
    """Why alerts, or some of them, would reach nobody; a sentence each."""
    channels = configured(settings)
    if not channels and settings.alertmanager is None:
        return [
            "Alerts reach nobody: configure email, slack or telegram under notifications, and alertmanager."
        ]
    if not channels:
        return [
            "Alerts reach nobody unless Alertmanager has receivers of its own: no channel is configured here "
            "(email, slack, telegram under notifications)."
        ]
    if settings.alertmanager is None:
        return [
            "A failed backup is told late and a restore not at all: set notifications.alertmanager.url, "
            "so that the runner sends them at once."
        ]
    return []
