"""How big the next backup will be, from those before it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from pgbackstop_catalog.records.backup import Backup

# Dumps of real data compress to a third or a quarter; half is a cautious first guess.
FIRST_GUESS = 0.5
MARGIN = 1.2
SAMPLES = 5


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Bytes that the next backup will store, and how that was found."""

    size_bytes: int
    reason: str


def next_size(successes: Iterable[Backup], source_size: int | None, *, compressed: bool) -> Forecast:
    """From the newest successes of the same plan, database and method; else from the size of the source."""
    ratios: list[float] = []
    sizes: list[int] = []
    for backup in list(successes)[:SAMPLES]:
        if backup.size_bytes:
            sizes.append(backup.size_bytes)
            if backup.source_size_bytes:
                ratios.append(backup.size_bytes / backup.source_size_bytes)
    if ratios and source_size:
        size = int(median(ratios) * source_size * MARGIN)
        return Forecast(size_bytes=size, reason=f"as the last {len(ratios)} backups compressed")
    if sizes:
        return Forecast(
            size_bytes=int(max(sizes) * MARGIN), reason=f"as big as the last {len(sizes)} backups"
        )
    factor = FIRST_GUESS if compressed else 1.0
    guess = int((source_size or 0) * factor)
    return Forecast(size_bytes=guess, reason="guessed from the size of the source")
