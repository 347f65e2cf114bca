"""What we say to Alertmanager's API v2, and what it answers.

NotAccepted         1  it did not do as it was asked
├── Unreachable     1  now; it may later
└── Refused         1  what was asked is malformed, and so it would be for ever
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.notifications import Alertmanager
from pgbackstop_catalog.records import json_text
from pgbackstop_catalog.text import Said, said
from pgbackstop_runner.system import http

# What Alertmanager and proxies answer to a body that they do not take. Any other 4xx (401, 404, 429) is
# about who we are, where we knock or how often, and a person or time can mend that.
_MALFORMED = {400, 413, 422}
_MOST_CHARACTERS = 2048  # of what it says against a notification


class NotAccepted(errors.PgbackstopError):
    """Alertmanager did not do as it was asked."""


class Unreachable(NotAccepted):
    """It may later."""


class Refused(NotAccepted):
    """It never will."""


def post(settings: Alertmanager, alerts: Sequence[dict[str, object]]) -> None:
    """Raises Unreachable, Refused; returns when Alertmanager has them, which it says by 200 and no words."""
    answer = _ask(settings, "/api/v2/alerts", data=json.dumps(alerts).encode())
    if answer.strip():
        _from_json(settings, answer)


def alerts(settings: Alertmanager, **labels: str) -> list[dict[str, Any]]:
    """The alerts with these labels, silenced and inhibited ones too. Raises NotAccepted."""
    filters = urlencode([("filter", f"{name}={json.dumps(value)}") for name, value in labels.items()])
    found = _from_json(settings, _ask(settings, f"/api/v2/alerts?{filters}"))
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise _no_alertmanager(settings)
    return found


def metrics(settings: Alertmanager) -> str:
    """Its own metrics, as Prometheus reads them. Raises NotAccepted."""
    return _ask(settings, "/metrics").decode(errors="replace")


def reload(settings: Alertmanager) -> None:
    """Let it read its configuration again. Raises NotAccepted with its own words where that is wrong."""
    _ask(settings, "/-/reload", data=b"")


def place(settings: Alertmanager) -> Said:
    """How a person is told of it."""
    return said("Alertmanager at {address}", address=_address(settings))


def _address(settings: Alertmanager) -> str:
    return urlsplit(settings.url).netloc


def _ask(settings: Alertmanager, path: str, *, data: bytes | None = None) -> bytes:
    try:
        answer = http.ask(
            settings.url.rstrip("/") + path,
            timeout=settings.timeout,
            method="GET" if data is None else "POST",
            data=data,
            headers={"Content-Type": "application/json", "User-Agent": "pgbackstop"},
        )
    except http.NoAnswer as error:
        raise Unreachable(
            said("{place} cannot be reached: {why}.", place=place(settings), why=str(error)),
            remedy=said("See that it runs, and check notifications.alertmanager.url."),
        ) from error
    if not answer.is_good:
        raise _refusal(place(settings), answer)
    return answer.body


def _from_json(settings: Alertmanager, body: bytes) -> Any:
    """What it says. Raises Unreachable for a login page, a wrong port, or an answer that is cut."""
    try:
        return json_text.parse(body)
    except ValueError as error:
        raise _no_alertmanager(settings) from error


def _no_alertmanager(settings: Alertmanager) -> Unreachable:
    return Unreachable(
        said("What answers at {address} does not speak like Alertmanager.", address=_address(settings)),
        remedy=said("Check notifications.alertmanager.url, and what stands before it."),
    )


def _refusal(who: str, answer: http.Answer) -> NotAccepted:
    told = {
        "place": who,
        "status": str(answer.status),
        "words": errors.one_line(answer.text)[:_MOST_CHARACTERS],
    }
    if answer.status in _MALFORMED:
        return Refused(
            said("{place} refuses the notification ({status}): {words}", **told),
            remedy=said("Report this, please."),
        )
    return Unreachable(
        said("{place} answers {status}: {words}", **told),
        remedy=said("Check notifications.alertmanager.url and its log."),
    )
