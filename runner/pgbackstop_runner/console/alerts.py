"""What fires by Alertmanager, asked aside: no page waits long for it, and what is unknown is told as that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.notifications import Alertmanager
from pgbackstop_catalog.text import said
from pgbackstop_runner.notify import alertmanager, event_alerts
from pgbackstop_runner.system import log

# Seconds: how long a page waits for the first answer, how long one is shown without asking again, and at all.
_PATIENCE: Final = 1.0
_FRESH: Final = 10.0
_STALE: Final = 60.0
_MOST: Final = 50
# Where the rules' runbooks lie, wherever that is.
_RUNBOOKS: Final = "/alerts/runbooks/"
_RANKS: Final = {"critical": 0, "warning": 1}
_EVENTS: Final = frozenset(event_alerts.ALERT_NAMES.values())


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One that fires; ``is_silenced`` where nobody is told of it. ``runbook`` is an address, or ""."""

    name: str
    severity: str
    summary: str
    since: datetime | None
    runbook: str
    is_silenced: bool


@dataclass(frozen=True, kw_only=True)
class Alerts:
    """What fires, the worst first; ``problem`` says why that is unknown. ``place`` is whom we asked."""

    place: str
    problem: str = ""
    firing: tuple[Alert, ...] = ()
    more: int = 0


@dataclass
class AlertWatch:
    """Asks one question at a time, off the event loop."""

    patience: float = _PATIENCE
    _task: asyncio.Task[None] | None = None
    _last: tuple[Alertmanager, float, Alerts] | None = None

    async def now(self, settings: Alertmanager) -> Alerts:
        """What is known, at most a minute old; unknown where it does not answer in time."""
        if self._task is None and not self._is_known(settings, _FRESH):
            self._task = asyncio.create_task(self._ask(settings))
        if self._task is not None and not self._is_known(settings, _STALE):
            await asyncio.wait({self._task}, timeout=self.patience)
        if self._last is not None and self._is_known(settings, _STALE):
            return self._last[2]
        place = alertmanager.place(settings)
        return Alerts(place=place, problem=said("{place} has not answered yet.", place=place))

    def _is_known(self, settings: Alertmanager, seconds: float) -> bool:
        if self._last is None or self._last[0] != settings:
            return False
        return time.monotonic() - self._last[1] <= seconds

    async def _ask(self, settings: Alertmanager) -> None:
        try:
            found = await asyncio.to_thread(read, settings)
            self._last = settings, time.monotonic(), found
        finally:
            self._task = None


def read(settings: Alertmanager) -> Alerts:
    """Ask it. Never raises: what goes wrong is what is told."""
    place = alertmanager.place(settings)
    try:
        return chosen(place, alertmanager.alerts(settings))
    except errors.PgbackstopError as error:
        return Alerts(place=place, problem=str(error))
    except Exception as error:
        return Alerts(place=place, problem=log.as_error(error).problem)


def chosen(place: str, found: Iterable[Mapping[str, Any]]) -> Alerts:
    """Ours of those that it has: it may serve others, and news is no alarm. Pure."""
    ours = sorted(
        (each for one in found if (each := _alert(one)) is not None),
        key=lambda each: (each.is_silenced, _RANKS[each.severity], each.name, each.summary),
    )
    return Alerts(place=place, firing=tuple(ours[:_MOST]), more=max(0, len(ours) - _MOST))


def _alert(found: Mapping[str, Any]) -> Alert | None:
    labels, notes = _texts(found.get("labels")), _texts(found.get("annotations"))
    name, severity, runbook = (
        labels.get("alertname", ""),
        labels.get("severity", ""),
        notes.get("runbook_url", ""),
    )
    if severity not in _RANKS or not (_RUNBOOKS in runbook or name in _EVENTS):
        return None
    status = found.get("status")
    state = status.get("state") if isinstance(status, dict) else None
    return Alert(
        name=name,
        severity=severity,
        summary=notes.get("summary", "") or notes.get("description", ""),
        since=_moment(found.get("startsAt")),
        runbook=runbook if runbook.startswith(("https://", "http://")) else "",
        is_silenced=state == "suppressed",
    )


def _texts(found: object) -> dict[str, str]:
    given = found.items() if isinstance(found, dict) else ()
    return {name: each for name, each in given if isinstance(name, str) and isinstance(each, str)}


def _moment(given: object) -> datetime | None:
    try:
        return datetime.fromisoformat(given).astimezone(UTC) if isinstance(given, str) else None
    except (ValueError, OverflowError):
        return None
