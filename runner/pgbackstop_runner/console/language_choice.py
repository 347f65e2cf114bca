"""The choice of a language, which the browser keeps; it needs no login."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NoReturn

from aiohttp import hdrs, web
from yarl import URL

from pgbackstop_catalog import errors
from pgbackstop_catalog.text import said
from pgbackstop_runner.console import guard, language
from pgbackstop_runner.console.app import ConsoleContext

_SECONDS: Final = 365 * 86_400


def add(context: ConsoleContext, app: web.Application) -> None:
    """Add this form, which stands below every page."""
    context.add_public(app, "POST", "/language", _Choice(context).choose)


@dataclass(frozen=True)
class _Choice:
    context: ConsoleContext

    async def choose(self, request: web.Request) -> NoReturn:
        code = (await guard.form(request)).get("language", "")
        if code not in language.NAMES:
            raise errors.ConfigError(
                said("There is no such language."), remedy=said("Take one of those below the page.")
            )
        response = web.HTTPSeeOther(came_from(request, self.context.path))
        response.set_cookie(
            language.COOKIE,
            code,
            max_age=_SECONDS,
            httponly=True,
            samesite="Lax",
            secure=self.context.console.is_https,
            path=f"{self.context.path}/",
        )
        raise response


def came_from(request: web.Request, path: str) -> str:
    """The page of ours, as an address from the root, that the form was on; the overview where unknown."""
    try:
        page = URL(request.headers.get(hdrs.REFERER, ""))
    except ValueError:
        return "/"
    address = page.raw_path_qs.removeprefix(path)
    is_ours = page.authority == request.host and address.startswith("/") and not address.startswith("//")
    return address if is_ours else "/"
