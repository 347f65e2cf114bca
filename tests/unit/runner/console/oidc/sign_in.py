"""A console whose people come from a stub provider, and a browser before it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import bcrypt
from aiohttp import ClientResponse, ClientSession, CookieJar, web

from pgbackstop_runner.console import audit, login, pages
from pgbackstop_runner.console.app import ConsoleContext
from pgbackstop_runner.console.oidc import pages as oidc_pages
from pgbackstop_runner.console.operations import Operations
from pgbackstop_runner.workspace import Workspace
from tests.support import ports
from tests.unit.runner import places
from tests.unit.runner.console.oidc.stub_provider import StubProvider

PASSWORD = "correct horse battery"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


@dataclass(kw_only=True)
class SignIn:
    """A console, its provider, and a browser."""

    provider: StubProvider
    opened: Workspace
    address: str
    browser: ClientSession

    async def get(self, path: str, browser: ClientSession | None = None) -> ClientResponse:
        got = await (browser or self.browser).get(self.address + path, allow_redirects=False)
        await got.read()
        return got

    async def begin(self) -> dict[str, str]:
        """Go to the provider; what it is asked."""
        sent = await self.get("/login/oidc")
        assert sent.status == 303, await sent.text()
        query = parse_qs(urlsplit(sent.headers["Location"]).query)
        asked = {name: values[0] for name, values in query.items()}
        self.provider.nonce = asked["nonce"]
        return asked

    async def come_back(self, state: str, more: str = "code=one") -> ClientResponse:
        return await self.get(f"/login/oidc/callback?state={state}&{more}")

    async def sign_in(self) -> ClientResponse:
        return await self.come_back((await self.begin())["state"])

    def logins(self) -> list[tuple[str, str, str]]:
        return [(each["user"], each["subject"], each["outcome"]) for each in audit.newest(self.opened)]

    def reload(self, **oidc: Any) -> None:
        """As SIGHUP does."""
        console = self.opened.config.console
        assert console.oidc is not None
        changed = console.evolve(oidc=console.oidc.evolve(**oidc))
        object.__setattr__(self.opened, "config", self.opened.config.evolve(console=changed))


@asynccontextmanager
async def listening(app: web.Application, port: int) -> AsyncIterator[None]:
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def attempt(folder: Path, *, path: str = "", **oidc: Any) -> AsyncIterator[SignIn]:
    provider, port = StubProvider(port=ports.free()), ports.free()
    console = {
        "listen": f"127.0.0.1:{port}",
        "users": {"ada": {"role": "admin", "password_hash": HASH}},
        "oidc": provider.settings(**oidc),
        **({"public_url": f"http://127.0.0.1:{port}{path}"} if path else {}),
    }
    opened = places.workspace(folder, console=console)
    context = ConsoleContext(workspace=lambda: opened, operations=Operations(), path=path)
    app = context.application(login.add, oidc_pages.add, pages.add)
    async with (
        listening(provider.application(), provider.port),
        listening(app, port),
        ClientSession(cookie_jar=CookieJar(unsafe=True)) as browser,
    ):
        address = f"http://127.0.0.1:{port}{path}"
        yield SignIn(provider=provider, opened=opened, address=address, browser=browser)


def within(folder: Path, story: Callable[[SignIn], Awaitable[None]], **options: Any) -> None:
    async def told() -> None:
        async with attempt(folder, **options) as place:
            await story(place)

    asyncio.run(told())
