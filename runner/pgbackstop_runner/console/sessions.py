"""Who is logged in, and how often a password may be tried. Kept in memory: a restart logs everybody out.

Times are seconds of a monotonic clock, given by the caller.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from pgbackstop_catalog import connection_places

MOST_SESSIONS: Final = 1000
MOST_WATCHED: Final = 10_000
TRIES: Final = 5
TRIES_IN: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class ByPassword:
    """The user's hash when they logged in: a new password ends the sessions of the old one."""

    password_hash: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ByProvider:
    """Who vouched for them, and for which groups: other settings of either count at once."""

    issuer: str
    client_id: str
    groups: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Session:
    """One login; ``csrf`` is what each form of its pages carries."""

    user: str
    csrf: str
    ends: float
    entered: ByPassword | ByProvider


@dataclass
class Sessions:
    """Sessions by the hash of their token, so that memory alone lets nobody in."""

    _known: dict[str, Session] = field(default_factory=dict)

    def begin(self, user: str, entered: ByPassword | ByProvider, *, now: float, seconds: float) -> str:
        """A new session's token. The oldest ends where there are too many."""
        self._known = {key: each for key, each in self._known.items() if each.ends > now}
        while len(self._known) >= MOST_SESSIONS:
            del self._known[next(iter(self._known))]
        token = secrets.token_urlsafe(32)
        self._known[_key(token)] = Session(
            user=user, csrf=secrets.token_urlsafe(32), ends=now + seconds, entered=entered
        )
        return token

    def of(self, token: str, *, now: float) -> Session | None:
        """The session of a token; None where it has ended or never was."""
        found = self._known.get(_key(token))
        return found if found is not None and found.ends > now else None

    def end(self, token: str) -> None:
        """Log out."""
        self._known.pop(_key(token), None)


@dataclass
class Attempts:
    """Logins of the last minute that did not succeed, by address and name: nobody can lock out another.

    Of IPv6 by network: each host has more addresses there than anybody could count.
    """

    tries: int = TRIES
    _begun: dict[tuple[str, str], deque[float]] = field(default_factory=dict)

    def begin(self, address: str, name: str, *, now: float) -> bool:
        """Whether one more password may be tried; it counts until it succeeds."""
        key = connection_places.source(address), name
        begun = self._begun.get(key, deque(maxlen=self.tries))
        if len(begun) == self.tries and begun[0] > now - TRIES_IN:
            return False
        if len(self._begun) >= MOST_WATCHED:
            self._begun = {key: each for key, each in self._begun.items() if each[-1] > now - TRIES_IN}
        while len(self._begun) >= MOST_WATCHED:
            del self._begun[next(iter(self._begun))]
        begun.append(now)
        self._begun[key] = begun
        return True

    def succeeded(self, address: str, name: str) -> None:
        """Forget what was tried before the right one."""
        self._begun.pop((connection_places.source(address), name), None)


def _key(token: str) -> str:
    # A cookie has whatever bytes a client sends.
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()
