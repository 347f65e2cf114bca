"""Who is let in by name and password, without giving away which names there are.

bcrypt is slow on purpose: it runs in a thread, one at a time, and a bounded number of requests waits for
it. A password that was right is remembered as a keyed hash, so that a scrape costs one bcrypt, once.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from functools import partial
from typing import Final

import bcrypt

from pgbackstop_exporter import threads

MOST_WAITING: Final = 16
_BCRYPT_BYTES: Final = 72  # bcrypt never looked at more, and htpasswd hashes longer ones all the same


class TooManyChecks(Exception):
    """So many passwords wait to be checked that one more would wait too long."""


class Users:
    """The names and bcrypt hashes of a web configuration."""

    def __init__(self, hashes: Mapping[str, str]) -> None:
        self._hashes = {name: value.encode() for name, value in hashes.items()}
        self._secret = secrets.token_bytes(32)
        self._right: dict[str, bytes] = {}
        self._turn = asyncio.Lock()
        self._waiting = 0

    def __bool__(self) -> bool:
        return bool(self._hashes)

    async def admit(self, name: str, password: str) -> bool:
        """Whether name and password belong together. Raises TooManyChecks.

        An unknown name is compared with the hash of some known one, always the same: it takes as long.
        """
        digest = self._keyed(password)
        if hmac.compare_digest(self._right.get(name, b""), digest):
            return True
        stored = self._hashes.get(name) or self._stand_in(name)
        is_right = await self._check(stored, password.encode()) and name in self._hashes
        if is_right:
            self._right[name] = digest
        return is_right

    async def _check(self, stored: bytes, password: bytes) -> bool:
        if self._waiting >= MOST_WAITING:
            raise TooManyChecks
        self._waiting += 1
        try:
            async with self._turn:
                check = partial(bcrypt.checkpw, password[:_BCRYPT_BYTES], stored)
                return await threads.run(check, name="bcrypt")
        finally:
            self._waiting -= 1

    def _stand_in(self, name: str) -> bytes:
        every = list(self._hashes.values())
        return every[int.from_bytes(self._keyed(name)) % len(every)]

    def _keyed(self, text: str) -> bytes:
        return hmac.digest(self._secret, text.encode(), hashlib.sha256)
