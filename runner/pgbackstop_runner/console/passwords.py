"""Passwords are checked off the event loop, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import bcrypt

from pgbackstop_catalog.config.console import User
from pgbackstop_runner.system.password_hash import LONGEST

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

        An unknown name takes as long as a known one: its password is tried at another's hash.
        """
        if self._waiting >= _MOST_WAITING:
            raise TooManyChecks
        user = users.get(name) or next(iter(users.values()), None)
        if user is None:
            return False
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(_fits, user, password.encode()) and name in users
        finally:
            self._waiting -= 1


def _fits(user: User, password: bytes) -> bool:
    return bcrypt.checkpw(password[:LONGEST], user.password_hash.encode()) and len(password) <= LONGEST
