"""What a tool writes, in bounded memory: one that reads what others wrote may have been taken over by it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pgbackstop_catalog import units
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.postgres.client_process import Tool

# The list of a dump with some million entries.
MOST_BYTES: Final = 2**30
_MOST_OF_LINE: Final = 2**16


def whole(tool: Tool, most: int = MOST_BYTES) -> bytes:
    """All of it. Raises AttemptFailed (corrupt) where that is more than ``most`` bytes."""
    content = tool.stdout.read(most + 1)
    if len(content) > most:
        raise AttemptFailed(
            Reason.CORRUPT,
            f"{tool.name} writes more than {units.format_size(most)}, which it never does.",
            remedy="Do not use this backup: somebody may have changed it, or what it contains.",
        )
    return content


def lines(tool: Tool) -> Iterator[bytes]:
    """Line by line; one that is longer than any of PostgreSQL's comes in pieces."""
    while line := tool.stdout.readline(_MOST_OF_LINE):
        yield line
