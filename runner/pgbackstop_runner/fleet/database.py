"""The database that workers share: the catalog's, asked on a connection for each question."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.catalog_place import CatalogDatabase
from pgbackstop_catalog.store.postgres import connection, schema
from pgbackstop_runner.workspace import Workspace

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Database:
    """Where the rows of due runs are."""

    place: CatalogDatabase

    @classmethod
    def of(cls, workspace: Workspace) -> Database:
        """The one that the configuration names. Raises ConfigError where workers are not wanted."""
        place = workspace.config.catalog_database
        if place is None or not workspace.config.workers.enabled:
            raise errors.ConfigError(
                "The configuration is not one of workers: a daemon would make the same backups.",
                remedy="Set workers: enabled: true, and name a catalog in PostgreSQL.",
            )
        return cls(place=place)

    def check(self) -> None:
        """Raises CatalogError where it cannot be reached, or its schema is not ours."""
        with self._opened() as opened:
            schema.require(opened)

    def ask(
        self, question: Callable[Concatenate[psycopg.Connection, P], T], *args: P.args, **named: P.kwargs
    ) -> T:
        """Ask on a connection of its own, which nothing that went before left broken. Raises CatalogError."""
        with self._opened() as opened:
            return question(opened, *args, **named)

    async def asked(
        self, question: Callable[Concatenate[psycopg.Connection, P], T], *args: P.args, **named: P.kwargs
    ) -> T:
        """The same off the event loop."""
        return await asyncio.to_thread(lambda: self.ask(question, *args, **named))

    async def arguments(self) -> dict[str, Any]:
        """The arguments of a connection of the engine, whose names are not qualified. Raises ConfigError."""
        return await asyncio.to_thread(connection.arguments, self.place, search_path="pgbackstop_queue")

    @contextlib.contextmanager
    def _opened(self) -> Iterator[psycopg.Connection]:
        with connection.opened(self.place) as opened:
            yield opened
