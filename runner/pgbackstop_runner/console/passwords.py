"""Passwords are checked off the event loop, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import bcrypt

from pgbackstop_catalog.config.console import User
from pgbackstop_runner.system.password_hash import LONGEST, ROUNDS

_MOST_WAITING: Final = 8


class TooManyChecks(Exception):
    """So many passwords wait to be checked that one more would wait too long."""


@dataclass
class Passwords:
    """Checks passwords, without giving away which names there are."""

    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _waiting: int = 0

    async def is_right(self, users: Mapping[str, User], name: str, password: str) -> bool:
        """Whether name and password belong together. Raises TooManyChecks.

        An unknown name takes as long as a known one.
        """
        if self._waiting >= _MOST_WAITING:
            raise TooManyChecks
        user = users.get(name)
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(_check, user, password.encode())
        finally:
            self._waiting -= 1


def _check(user: User | None, password: bytes) -> bool:
    stored = user.password_hash if user else _stand_in()
    return (
        bcrypt.checkpw(password[:LONGEST], stored.encode()) and user is not None and len(password) <= LONGEST
    )


@cache
def _stand_in() -> str:
    return bcrypt.hashpw(b"nobody", bcrypt.gensalt(ROUNDS)).decode()
