"""Who is let in to the API, and what is made of what they send. Only a token counts: no cookie does."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from aiohttp import hdrs, web
from pydantic import ValidationError

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import Model, utc_now
from pgbackstop_runner.console import problems, tokens
from pgbackstop_runner.console.api import document
from pgbackstop_runner.console.api.endpoint import BASE, Call, Endpoint
from pgbackstop_runner.console.api.table import ENDPOINTS
from pgbackstop_runner.console.app import ConsoleContext, Route
from pgbackstop_runner.console.guard import RANKS
from pgbackstop_runner.console.problems import Refused
from pgbackstop_runner.console.tokens import Token
from pgbackstop_runner.system import log

_MOST_ERRORS: Final = 3


def add(context: ConsoleContext, app: web.Application) -> None:
    """Add every endpoint, and the document that describes them, which needs no token."""
    context.add_public(app, "GET", document.PATH, _described)
    for each in ENDPOINTS:
        route = Route(method=each.method, path=BASE + each.path, role=each.role)
        context.add_route(app, route, partial(_answer, context, each))


async def _described(_request: web.Request) -> web.Response:
    return web.Response(text=document.text(), content_type="application/json")


async def _answer(context: ConsoleContext, endpoint: Endpoint, request: web.Request) -> web.Response:
    try:
        token = await _let_in(context, endpoint, request)
        answer = await endpoint.handler(
            Call(
                context=context,
                request=request,
                caller=_named(token),
                query=_query(endpoint, request),
                body=await _body(endpoint, request),
            )
        )
    except Refused as refused:
        return problems.response(refused)
    return web.Response(
        text=answer.value.model_dump_json(),
        content_type="application/json",
        status=answer.status,
        headers={hdrs.LOCATION: answer.location} if answer.location else None,
    )


async def _let_in(context: ConsoleContext, endpoint: Endpoint, request: web.Request) -> Token:
    """The token that a request carries. Raises Refused where it is none that may, CatalogError."""
    token = await _token(context, request)
    if RANKS[token.role] < RANKS[endpoint.role]:
        action = f"{request.method} {request.path}"
        await context.audited(request, _named(token), action, "", "refused: role")
        raise Refused(
            403,
            f"This needs the role {endpoint.role}; that of the token {token.name} is {token.role}.",
            f"Make one that may: pgbackstop token create NAME --role {endpoint.role}",
        )
    return token


async def _token(context: ConsoleContext, request: web.Request) -> Token:
    scheme, _, secret = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise _unknown("This needs a token: the header Authorization: Bearer TOKEN.", "Bearer")
    found = await asyncio.to_thread(tokens.of, context.workspace(), secret.strip(), _report)
    if found is None:
        raise _unknown("There is no such token: it was revoked, or never made.")
    if found.is_over(utc_now()):
        raise _unknown(tokens.ended(found))
    return found


def _unknown(problem: str, challenge: str = 'Bearer error="invalid_token"') -> Refused:
    remedy = "Make one where the daemon runs: pgbackstop token create NAME"
    return Refused(401, problem, remedy, headers={hdrs.WWW_AUTHENTICATE: challenge})


def _report(error: errors.CatalogError) -> None:
    log.logger().warning("no token", problem=str(error))


def _named(token: Token) -> str:
    """As the audit and the records call it; no user's name has a space."""
    return f"token {token.name}"


def _query(endpoint: Endpoint, request: web.Request) -> Model | None:
    given = request.query
    if endpoint.query is None:
        if given:
            raise Refused(400, "This takes no parameters.", f"See {document.PATH}.")
        return None
    if len(given) != len(set(given)):
        raise Refused(400, "A parameter is given twice.", "Give each once.")
    try:
        return endpoint.query.model_validate(dict(given))
    except ValidationError as error:
        raise _not_understood("The query", error) from error


async def _body(endpoint: Endpoint, request: web.Request) -> Model | None:
    """What the body says; an empty one is an empty object. Raises Refused."""
    if endpoint.body is None:
        return None
    content = await request.read()
    if content and request.content_type != "application/json":
        raise Refused(415, "The body is not JSON.", "Send it with Content-Type: application/json.")
    try:
        return endpoint.body.model_validate_json(content or b"{}", strict=True)
    except ValidationError as error:
        raise _not_understood("The body", error) from error


def _not_understood(what: str, error: ValidationError) -> Refused:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    said = [f"{'.'.join(map(str, each['loc'])) or 'all of it'}: {each['msg']}" for each in found]
    problem = errors.one_line(f"{what} cannot be understood: {'; '.join(said[:_MOST_ERRORS])}.")
    return Refused(400, problem, f"See {document.PATH}.")
