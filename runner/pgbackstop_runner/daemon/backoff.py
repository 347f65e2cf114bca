"""Pauses that double while something keeps failing, and begin anew after it was well for long. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Seconds: the first pause, the longest, and how long something must last to count as well."""

    first: float
    longest: float
    healthy: float = float("inf")
    pause: float = 0.0

    def after(self, lasted: float = 0.0) -> Backoff:
        """The pause after a failure that came ``lasted`` seconds after the start."""
        if self.pause == 0.0 or lasted >= self.healthy:
            return replace(self, pause=self.first)
        return replace(self, pause=min(self.pause * 2, self.longest))

    def well(self) -> Backoff:
        """No pause: it worked."""
        return replace(self, pause=0.0)
