"""Major versions of PostgreSQL: the oldest that is accepted, and the newest that the tests run against.

The tests' matrix is made of these two. A newer version is not refused: most of what we do to one is done by
its own tools.
"""

from __future__ import annotations

# The oldest version that its community still mends.
OLDEST = 15
NEWEST_TESTED = 18


def untested(what: str, major: int) -> str:
    """A warning where ``what`` is newer than any that was tested; "" where it is not."""
    if major <= NEWEST_TESTED:
        return ""
    return f"{what} of PostgreSQL {major}: not tested with {major} yet. Watch the drills."
