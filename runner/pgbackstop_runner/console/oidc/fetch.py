"""One request to the provider: bounded in size and in time altogether, redirected nowhere.

Not ``system.http``, which waits in a thread: an answer that comes byte by byte would keep it from backups.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from pydantic import BaseModel, TypeAdapter, ValidationError

from pgbackstop_runner.console.oidc.refusal import NoEntry
from pgbackstop_runner.system import http

MOST_BYTES: Final = 512 * 1024
SECONDS: Final = 10.0
_JSON: Final = TypeAdapter(dict[str, Any])


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the provider answered, whatever its status."""

    status: int
    body: bytes

    def document(self) -> dict[str, Any]:
        """The JSON object that it is. Raises NoEntry."""
        try:
            return _JSON.validate_json(self.body)
        except ValidationError:
            raise NoEntry(f"It answered {self.status}, and with no JSON object.") from None


class Outside(BaseModel):
    """The base of what the provider says; it says more than counts here."""


async def ask(
    url: str,
    *,
    ca_file: Path | None,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    seconds: float = SECONDS,
) -> Answer:
    """GET, or POST of a form. Raises NoEntry where there is no whole answer."""
    try:
        context = await asyncio.to_thread(_context, ca_file) if url.startswith("https:") else True
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=seconds),
                # A proxy of the environment is for the world outside.
                trust_env=not http.is_this_machine(urlsplit(url).hostname),
                auto_decompress=False,
            ) as session,
            session.request(
                "GET" if form is None else "POST",
                url,
                data=form,
                headers={"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})},
                allow_redirects=False,
            ) as answer,
        ):
            return Answer(status=answer.status, body=await _bounded(answer.content))
    except TimeoutError:
        raise NoEntry(f"It gave no whole answer within {seconds:.0f} s.") from None
    except (OSError, ValueError, aiohttp.ClientError) as error:
        raise NoEntry(f"It cannot be asked: {_reason(error)}.") from error


def _context(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    body = b""
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > MOST_BYTES:
            raise NoEntry(f"It answered with more than {MOST_BYTES} bytes.")
    return body


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return http.reason(error.certificate_error)
    return http.reason(error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error)
