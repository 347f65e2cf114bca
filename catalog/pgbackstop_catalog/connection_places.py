"""Who may stay connected where places are few. Pure.

Where too many are open, a new one takes the place of the oldest that has asked for nothing yet: one address
cannot use up the places of the others, and a client that asks at once is answered even where another holds
all places of the same address.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable


def source(host: str) -> str:
    """Whose places a connection takes: an address, or the network of a host where each has very many."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return str(address)


class Place:
    """One connection: whose it is, whether a request is answered, whether one was. ``end`` cuts it."""

    def __init__(self, whose: str, end: Callable[[], object]) -> None:
        self.whose = whose
        self.end = end
        self.is_busy = False
        self.has_asked = False


class Places:
    """The connections that are open, the oldest first."""

    def __init__(self, most: int, *, share: int) -> None:
        """``most`` is how many there may be, of one address that divided by ``share``."""
        self._most = most
        self._most_of_one = max(1, most // share)
        self._taken: dict[Place, None] = {}

    def __len__(self) -> int:
        return len(self._taken)

    def take(self, place: Place) -> bool:
        """Whether there is room, if need be by ending another one that nobody waits for."""
        counts = Counter(each.whose for each in self._taken)
        crowd = ""
        if counts[place.whose] >= self._most_of_one:
            crowd = place.whose
        elif len(self._taken) >= self._most:
            crowd = counts.most_common(1)[0][0]
        if crowd and not self._end_one_of(crowd):
            return False
        self._taken[place] = None
        return True

    def give_back(self, place: Place) -> None:
        """It is closed."""
        self._taken.pop(place, None)

    def _end_one_of(self, crowd: str) -> bool:
        idle = [each for each in self._taken if each.whose == crowd and not each.is_busy]
        if not idle:
            return False
        victim = min(idle, key=lambda each: each.has_asked)  # of equals the first, which is the oldest
        self.give_back(victim)
        victim.end()
        return True
