"""Pauses before something that failed is tried again."""

from __future__ import annotations

import random


def left_to_chance(seconds: float) -> float:
    """Half of it to all of it: hosts that failed together shall not meet again."""
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
