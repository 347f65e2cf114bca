"""``H`` in a cron expression: a time of its own for each plan, the same on every host, at any time.

As Jenkins has it: ``H H(1-4) * * *`` is some minute of some hour from 1 to 4, ``H/15 * * * *`` each quarter
of an hour from some minute on. Which one follows from the name of the plan, so that a thousand servers of
one group do not begin at once. Pure, and imports nothing slow.
https://www.jenkins.io/doc/book/pipeline/syntax/#cron-syntax
"""

from __future__ import annotations

import re
from typing import Final

_PART: Final = re.compile(r"H(?:\((\d{1,2})-(\d{1,2})\))?(?:/(\d{1,2}))?")
# Seconds, where there are six; days that every month has.
_RANGES: Final = ((0, 59), (0, 59), (0, 23), (1, 28), (1, 12), (0, 6))


def resolved(expression: str, name: str) -> str:
    """The expression with numbers for each ``H``. Raises ValueError for one that means nothing."""
    fields = expression.split()
    if len(fields) not in {5, 6} or "H" not in expression:
        return expression
    ranges = _RANGES[-len(fields) :]
    return " ".join(_field(*each, name) for each in zip(fields, ranges, range(len(fields)), strict=True))


def _field(field: str, limits: tuple[int, int], place: int, name: str) -> str:
    return ",".join(_part(part, limits, f"{place} {name}") for part in field.split(","))


def _part(part: str, limits: tuple[int, int], seed: str) -> str:
    found = _PART.fullmatch(part)
    if found is None:
        return part
    low, high = (int(found[1]), int(found[2])) if found[1] else limits
    step = int(found[3] or 0)
    if not limits[0] <= low <= high <= limits[1] or (found[3] and not 1 <= step <= high - low + 1):
        msg = f"{part!r} must lie within {limits[0]} and {limits[1]}"
        raise ValueError(msg)
    chosen = low + _number(seed) % (step or high - low + 1)
    return f"{chosen}-{high}/{step}" if step else str(chosen)


def _number(seed: str) -> int:
    import hashlib  # noqa: PLC0415 - it loads OpenSSL, and most files have no H

    return int.from_bytes(hashlib.sha256(seed.encode(errors="replace")).digest()[:8])
