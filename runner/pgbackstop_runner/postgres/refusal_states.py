"""Connecting so that a refusal has its SQLSTATE, whatever language the server speaks."""

from __future__ import annotations

import psycopg
from psycopg.conninfo import make_conninfo

from pgbackstop_catalog import refusal_state
from pgbackstop_runner.postgres import refusals

_SECONDS = 10.0  # the server has just answered


class Refusal(psycopg.OperationalError):
    """A connection that a server refused, with the SQLSTATE of that."""

    def __init__(self, words: str, state: str) -> None:
        super().__init__(words)
        self.sqlstate = state


def connect(target: str, password: str | None) -> psycopg.Connection:
    """A connection in autocommit. Raises Refusal where a server says in words that are not ours why not.

    Raises psycopg's errors otherwise.
    """
    try:
        return psycopg.connect(target, autocommit=True, password=password)
    except psycopg.OperationalError as error:
        words = str(error)
        if not refusal_state.is_answer(words) or refusals.is_known(words):
            raise
        whole = make_conninfo(target, password=password) if password is not None else target
        if (state := refusal_state.ask(whole, seconds=_SECONDS)) is None:
            raise
        raise Refusal(words, state) from error
