"""Refusals for programs: problem details in JSON (RFC 9457), one sentence and a remedy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from aiohttp import hdrs, web

PREFIX: Final = "/api/"
MEDIA_TYPE: Final = "application/problem+json"


class Refused(Exception):
    """A request that is answered with a problem; ``members`` go beside the standard ones."""

    def __init__(
        self,
        status: int,
        problem: str,
        remedy: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(problem)
        self.status, self.problem, self.remedy = status, problem, remedy
        self.headers, self.members = dict(headers or {}), dict(members or {})


def is_wanted(path: str, below: str) -> bool:
    """Whether a program asks, and not a browser, of a console that is ``below`` a path. Pure."""
    return path.startswith((PREFIX, below + PREFIX))


def response(refused: Refused) -> web.Response:
    """The answer."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(refused.status).phrase,
        "status": refused.status,
        "detail": refused.problem,
        **({"remedy": refused.remedy} if refused.remedy else {}),
        **refused.members,
    }
    return web.Response(
        text=json.dumps(document), content_type=MEDIA_TYPE, status=refused.status, headers=refused.headers
    )


def of_http(error: web.HTTPException) -> web.Response:
    """The answer for what aiohttp itself refuses."""
    remedy = "See /api/v1/openapi.json."
    return response(Refused(error.status, f"{error.reason}.", remedy, headers=allowed(error)))


def allowed(error: web.HTTPException) -> dict[str, str]:
    """The header that a 405 must have; none for others. Pure."""
    return {hdrs.ALLOW: error.headers[hdrs.ALLOW]} if hdrs.ALLOW in error.headers else {}
