"""One session with the catalog's database for a process: made when it is needed, and again when lost."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.catalog_place import CatalogDatabase
from pgbackstop_catalog.store.postgres import connection, schema

T = TypeVar("T")
# Seconds between tries of what must not be lost: PostgreSQL is restarted, or fails over, within them.
PATIENCE: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)


@dataclass
class Session:
    """Runs work on one connection, for one thread at a time; work is idempotent, for it may be repeated."""

    place: CatalogDatabase
    read_only: bool = False
    patience: tuple[float, ...] = PATIENCE
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _open: tuple[psycopg.Connection, int, weakref.finalize[..., Session]] | None = field(
        default=None, repr=False
    )
    _is_known: bool = field(default=False, repr=False)  # whether the schema is the one that we know

    def run(self, work: Callable[[psycopg.Connection], T], *, needs_schema: bool = True) -> T:
        """Return what ``work`` does; once more where the connection was lost since it was last used.

        Raises CatalogError.
        """
        with self._lock:
            was_open = self._current() is not None
            try:
                return self._run(work, needs_schema)
            except errors.CatalogError:
                if not was_open or self._current() is not None:
                    raise
                return self._run(work, needs_schema)

    def run_patiently(self, work: Callable[[psycopg.Connection], T]) -> T:
        """The same, tried for half a minute while the database does not answer."""
        for pause in self.patience:
            try:
                return self.run(work)
            except errors.CatalogError:
                if self._current() is not None:  # it answered
                    raise
            time.sleep(pause)
        return self.run(work)

    def close(self) -> None:
        """Give the connection up; the next work makes one."""
        if self._open is not None:
            opened, pid, finalizer = self._open
            self._open = None
            if pid == os.getpid():  # of a parent it is left to it
                finalizer.detach()
                opened.close()

    def _run(self, work: Callable[[psycopg.Connection], T], needs_schema: bool) -> T:
        try:
            opened = self._current() or self._connect()
            with connection.explained(self.place):
                if needs_schema and not self._is_known:
                    schema.require(opened)
                    self._is_known = True
                return work(opened)
        except errors.PgbackstopError:
            if self._current() is None:
                self.close()
            raise
        except BaseException:
            self.close()  # in the middle of an answer
            raise

    def _current(self) -> psycopg.Connection | None:
        if self._open is None or self._open[0].closed or self._open[1] != os.getpid():
            return None
        return self._open[0]

    def _connect(self) -> psycopg.Connection:
        self.close()
        opened = connection.connect(self.place, read_only=self.read_only)
        self._is_known = False
        self._open = (opened, os.getpid(), weakref.finalize(self, opened.close))
        return opened
