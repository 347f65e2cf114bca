"""What an endpoint is: everything that the server, the document and the tests know of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from aiohttp import web

from pgbackstop_catalog.config.oidc import Role
from pgbackstop_catalog.model import Model
from pgbackstop_runner.console.api import models
from pgbackstop_runner.console.app import ConsoleContext

BASE: Final = "/api/v1"
_WAITED: Final = {
    200: "Over, and it succeeded.",
    202: "Started; Location says where to ask how it stands.",
}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request that is let in: who asks, and what the endpoint's models made of it."""

    context: ConsoleContext
    request: web.Request
    caller: str
    query: Any = None
    body: Any = None

    @property
    def id(self) -> str:
        """Of the path."""
        return self.request.match_info["id"]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is sent; ``location`` is where more will be known."""

    value: Model
    status: int = 200
    location: str = ""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A method and a path. ``good`` are the statuses of what was done, and what each means."""

    method: str
    path: str
    name: str
    role: Role
    summary: str
    handler: Callable[[Call], Awaitable[Answer]]
    answer: type[Model]
    query: type[Model] | None = None
    body: type[Model] | None = None
    good: Mapping[int, str] = field(default_factory=lambda: {200: "Done."})
    refusals: tuple[int, ...] = ()


# One that starts an operation, and waits for it where that is asked for.
starting = partial(Endpoint, method="POST", answer=models.Operation, good=_WAITED, refusals=(404, 409, 424))
