"""What the operating system refuses is a state of the host, told as such, and no bug of ours."""

import asyncio
import json
from pathlib import Path

from aiohttp import ClientSession, web

from pgbackstop_catalog.model import utc_now
from pgbackstop_runner.console import tokens
from pgbackstop_runner.console.api import document, door
from pgbackstop_runner.console.app import ConsoleContext
from pgbackstop_runner.console.operations import Operations
from pgbackstop_runner.workspace import Workspace
from tests.support import ports
from tests.unit.runner import places


async def answered(opened: Workspace, path: str) -> tuple[int, str, str]:
    """Status, media type and text of an answer of the API."""
    secret, _ = tokens.create(opened, "watch", "viewer", seconds=3600, operator="us", now=utc_now())
    context = ConsoleContext(workspace=lambda: opened, operations=Operations())
    runner = web.AppRunner(context.application(door.add))
    await runner.setup()
    try:
        host, _, port = opened.config.console.listen.partition(":")
        await web.TCPSite(runner, host, int(port)).start()
        headers = {"Authorization": f"Bearer {secret}"}
        address = f"http://{host}:{port}{path}"
        async with ClientSession(headers=headers) as session, session.get(address) as answer:
            return answer.status, answer.content_type, await answer.text()
    finally:
        await runner.cleanup()


def test_a_configuration_that_is_away_is_said(tmp_path: Path) -> None:
    opened = places.workspace(tmp_path, console={"listen": f"127.0.0.1:{ports.free()}"})
    status, kind, text = asyncio.run(answered(opened, "/api/v1/status"))
    assert (status, kind) == (503, "application/problem+json")
    assert json.loads(text)["detail"].startswith(f"The operating system refuses: {opened.file}: No such file")


def test_the_document_is_served(tmp_path: Path) -> None:
    opened = places.workspace(tmp_path, console={"listen": f"127.0.0.1:{ports.free()}"})
    assert asyncio.run(answered(opened, document.PATH)) == (200, "application/json", document.text())
