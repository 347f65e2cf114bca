"""The file of what was read back of a WAL archive: written by verify, read by whoever keeps the archive."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions.wal_readings import WalReadings
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.system.state_folder import StateFolder

TURN = "wal-readings"  # of whoever writes one


def read(path: Path) -> WalReadings | None:
    """What was written last; None where there is nothing, or nothing that can be read."""
    try:
        return codec.read(WalReadings, path)
    except (OSError, errors.CatalogError):
        return None


def write(path: Path, known: WalReadings) -> None:
    """Replace it durably. Raises OSError."""
    atomic.make_folder(path.parent)
    atomic.write(path, codec.encode(known), shared=True)


def forget(state: StateFolder, path: Path, names: Collection[str]) -> None:
    """Take damaged segments that were mended out of it. Raises OSError, CatalogError."""
    with state.turn(TURN):
        known = read(path)
        if known is not None:
            left = tuple(each for each in known.damaged if each.name not in names)
            write(path, known.evolve(damaged=left))


def damaged(path: Path) -> frozenset[str]:
    """The segments that were found damaged, by name."""
    known = read(path)
    return frozenset(each.name for each in known.damaged) if known else frozenset()
