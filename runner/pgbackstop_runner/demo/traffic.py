"""New orders while the demo runs, so that there is always something to lose."""

from __future__ import annotations

import http.client
import threading
import urllib.request
from dataclasses import dataclass, field

PAUSE_SECONDS = 2.0
_TIMEOUT = 10.0  # seconds
# A proxy of the environment is for the world outside, not for this machine.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class OrderTraffic:
    """A thread that orders at the shop's application every two seconds. ``url`` takes orders by POST."""

    url: str
    orders: int = 0
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, daemon=True, name="trickle")
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the last order."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(timeout=_TIMEOUT)

    def _run(self) -> None:
        while not self._over.wait(PAUSE_SECONDS):
            self.orders += self._order()

    def _order(self) -> bool:
        """Whether the shop took it. Where it is closed or away, that is shown elsewhere; it comes back."""
        request = urllib.request.Request(self.url, data=b"", method="POST")  # noqa: S310 - our own address
        try:
            with _OPENER.open(request, timeout=_TIMEOUT) as answer:
                return bool(answer.status == 201)
        except (OSError, ValueError, http.client.HTTPException):
            return False
