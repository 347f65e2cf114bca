"""Parts of sentences that many messages have in common. Pure."""

from __future__ import annotations

from collections.abc import Sequence

# As many as a person reads in a line; the rest is counted.
SHOWN = 3


def some(words: Sequence[str], *, between: str = ", ") -> str:
    """The first of them, and how many more there are; empty where there are none."""
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return f"{between.join(words[:SHOWN])}{more}"
