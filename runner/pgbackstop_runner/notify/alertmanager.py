"""One alert to Alertmanager's API v2.

NotAccepted         1  the alert did not arrive
├── Unreachable     1  now; it may later
└── Refused         1  it is malformed, and so it would be for ever
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import Alertmanager

# What Alertmanager and proxies answer to a body that they do not take. Any other 4xx (401, 404, 429) is
# about who we are, where we knock or how often, and a person or time can mend that.
_MALFORMED = {400, 413, 422}
_MOST_BYTES = 2048


class NotAccepted(errors.PgbackstopError):
    """Alertmanager did not take the alert."""


class Unreachable(NotAccepted):
    """It may take it later."""


class Refused(NotAccepted):
    """It never will."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST becomes a GET, whose 200 would look as if the alert had been accepted."""

    def redirect_request(self, *_args: Any, **_named: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


def post(settings: Alertmanager, alert: dict[str, object]) -> None:
    """Raises Unreachable, Refused; returns when Alertmanager has it."""
    request = urllib.request.Request(  # noqa: S310 - the configuration allows http and https only
        settings.url.rstrip("/") + "/api/v2/alerts",
        data=json.dumps([alert]).encode(),
        headers={"Content-Type": "application/json", "User-Agent": "pgbackstop"},
        method="POST",
    )
    place = f"Alertmanager at {urlsplit(settings.url).netloc}"
    try:
        with _OPENER.open(request, timeout=settings.timeout) as answer:
            answer.read(_MOST_BYTES)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(place, error.code, error.read(_MOST_BYTES)) from error
    except urllib.error.URLError as error:
        raise _unreachable(place, error.reason) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _unreachable(place, error) from error


def _refusal(place: str, code: int, body: bytes) -> NotAccepted:
    words = " ".join(body.decode(errors="replace").split())
    if code in _MALFORMED:
        return Refused(f"{place} refuses the notification ({code}): {words}", remedy="Report this, please.")
    return Unreachable(
        f"{place} answers {code}: {words}", remedy="Check notifications.alertmanager.url and its log."
    )


def _unreachable(place: str, reason: object) -> Unreachable:
    text = reason.strerror or str(reason) if isinstance(reason, OSError) else str(reason)
    return Unreachable(
        f"{place} cannot be reached: {text}.",
        remedy="See that it runs, and check notifications.alertmanager.url.",
    )
