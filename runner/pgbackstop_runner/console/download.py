"""The files of a backup, as they are stored.

They hold every row of a database, whatever rights there protect them, so only an admin gets them, and it is
in the audit first. Any number of them take a bounded part of memory: a chunk is read when the one before
was taken.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import BinaryIO, Final
from urllib.parse import quote

from aiohttp import hdrs, web

from pgbackstop_catalog import errors, regular_file
from pgbackstop_catalog.store import layout
from pgbackstop_catalog.text import said
from pgbackstop_runner.console import deeds, guard
from pgbackstop_runner.console.app import ConsoleContext
from pgbackstop_runner.console.guard import Visitor
from pgbackstop_runner.storage import stored_backup
from pgbackstop_runner.storage.stored_backup import StoredBackup

_CHUNK: Final = 256 * 1024
_AT_ONCE: Final = 4
# How long somebody may take for a chunk; a place of a connection is not held for ever.
_PATIENCE: Final = 60.0


def add(context: ConsoleContext, app: web.Application) -> None:
    """Add this address."""
    context.add(app, "GET", "/backups/{id}/file", "admin", _Downloads(context).send)


@dataclass
class _Downloads:
    context: ConsoleContext
    going: int = 0

    async def send(self, request: web.Request, visitor: Visitor) -> web.StreamResponse:
        backup, name = (
            await deeds.exists(self.context, request.match_info["id"]),
            request.query.get("name", ""),
        )
        if self.going >= _AT_ONCE:
            raise errors.Busy(
                said("{n} files are being sent already.", n=_AT_ONCE), remedy=said("Wait until one is there.")
            )
        self.going += 1
        try:
            stored = await asyncio.to_thread(stored_backup.find, self.context.workspace(), backup)
            with await asyncio.to_thread(opened, stored, name) as file:
                await self.context.audited(
                    request, visitor.name, "download", f"{backup.id} {name}", "asked for"
                )
                return await _sent(request, file, name)
        finally:
            self.going -= 1


def opened(stored: StoredBackup, name: str) -> BinaryIO:
    """A file that the backup's list names; no link is followed. Raises NotFound, CatalogError."""
    known = {each.path for each in stored.files()} | {layout.CHECKSUMS_NAME}
    missing = errors.NotFound(said("The backup has no file {name!r}.", name=name))
    if name not in known or stored.path(name).resolve() != stored.folder.resolve() / name:
        raise missing
    try:
        return os.fdopen(regular_file.descriptor(stored.path(name)), "rb")
    except FileNotFoundError:
        raise missing from None


async def _sent(request: web.Request, file: BinaryIO, name: str) -> web.StreamResponse:
    told = f"attachment; filename*=UTF-8''{quote(name.rpartition('/')[2], safe='')}"
    response = web.StreamResponse(headers={**guard.HEADERS, hdrs.CONTENT_DISPOSITION: told})
    response.content_type = "application/octet-stream"
    response.content_length = os.fstat(file.fileno()).st_size
    await response.prepare(request)
    try:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            async with asyncio.timeout(_PATIENCE):
                await response.write(chunk)
        await response.write_eof()
    except OSError:  # it cannot be read on, or was not taken in time: half a file must not look whole
        if request.transport is not None:
            request.transport.abort()
    return response
