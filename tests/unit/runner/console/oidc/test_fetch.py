"""A request ends in time whatever the other side does, and trusts whom it is told to."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from pgbackstop_runner.console.oidc import fetch
from pgbackstop_runner.console.oidc.refusal import NoEntry
from tests.support.certificates import Authority

StubAlertmanager = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def server(answering: StubAlertmanager, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError):
                await answering(reader, writer)
        finally:
            writer.close()

    made = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with made:
        yield made.sockets[0].getsockname()[1]


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte at a time: no single read waits long."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


async def good(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
    await writer.drain()


def test_an_answer_that_never_ends_is_left() -> None:
    async def story() -> None:
        async with server(drip) as port:
            with pytest.raises(NoEntry, match="no whole answer within"):
                await fetch.ask(f"http://127.0.0.1:{port}/", ca_file=None, seconds=0.5)

    asyncio.run(story())


def test_only_the_authority_that_is_named_is_trusted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def story() -> None:
        async with server(good, context) as port:
            url = f"https://localhost:{port}/"
            answer = await fetch.ask(url, ca_file=authority.file)
            assert (answer.status, answer.document()) == (200, {})
            with pytest.raises(NoEntry, match="certificate is not trusted"):
                await fetch.ask(url, ca_file=None)
            with pytest.raises(NoEntry, match=r"It cannot be asked: No such file"):
                await fetch.ask(url, ca_file=tmp_path / "none.pem")
            with pytest.raises(NoEntry, match="It cannot be asked"):
                await fetch.ask(url, ca_file=key)

    asyncio.run(story())
