"""Sign-ins that have begun: each ends once, in the browser that began it, within ten minutes.

Times are seconds of a monotonic clock, given by the caller.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Final

SECONDS: Final = 600.0
MOST: Final = 1000


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """The secrets of one; ``browser`` is in a cookie, ``state`` comes back with the person."""

    state: str
    nonce: str
    verifier: str
    browser: str
    ends: float

    @property
    def challenge(self) -> str:
        """What the provider is told of the verifier: RFC 7636, S256."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass
class SignIns:
    """Those that wait for their person to come back."""

    _begun: dict[str, SignIn] = field(default_factory=dict, repr=False)

    def begin(self, *, now: float) -> SignIn:
        """A new one. The oldest are forgotten where there are too many."""
        self._begun = {key: each for key, each in self._begun.items() if each.ends > now}
        while len(self._begun) >= MOST:
            del self._begun[next(iter(self._begun))]
        state, nonce, verifier, browser = (secrets.token_urlsafe(32) for _ in range(4))
        made = SignIn(state=state, nonce=nonce, verifier=verifier, browser=browser, ends=now + SECONDS)
        self._begun[state] = made
        return made

    def end(self, state: str, browser: str, *, now: float) -> SignIn | None:
        """The one that was begun with both; no second time. None where there is none."""
        found = self._begun.get(state)
        given = browser.encode(errors="surrogateescape")
        if found is None or not hmac.compare_digest(found.browser.encode(), given):
            return None
        del self._begun[state]
        return found if found.ends > now else None
