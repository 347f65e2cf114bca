"""The notices that wait, one file each, and how often a delivery has failed.

outbox/<id>.json         waits
outbox/rejected/         was refused for good, or is no notice; left for a person
outbox/tally.state       {"failures": {"alertmanager": 3}}; never falls
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.delivery import DeliveryFailures
from pgbackstop_catalog.records.ids import new_id
from pgbackstop_catalog.store import atomic, listing
from pgbackstop_runner.notify.events import Event


@dataclass(frozen=True)
class Outbox:
    """A folder of the catalog. Raises CatalogError where it cannot be read or written."""

    folder: Path

    def put(self, event: Event, now: datetime) -> None:
        """Keep a notice durably."""
        listing.require_state(self.folder.parent)
        with _writing(self.folder):
            atomic.make_folder(self.folder)
            atomic.write(self.folder / f"{new_id(now)}.json", codec.encode(event))

    def entries(self) -> list[Path]:
        """What waits, the oldest first."""
        names = _listed(self.folder)
        return sorted(path for path in names if path.suffix == ".json" and not path.name.startswith("."))

    def rejected(self) -> int:
        """How many were refused for good."""
        return len(_listed(self.folder / "rejected"))

    def read(self, entry: Path) -> Event:
        """A notice that waits. Raises CatalogError for anything else."""
        try:
            return codec.read(Event, entry)
        except OSError as error:
            raise _unreadable(entry, error) from error

    def remove(self, entry: Path) -> None:
        """It is delivered."""
        with _writing(entry):
            entry.unlink(missing_ok=True)

    def reject(self, entry: Path) -> None:
        """Put it aside for a person to look at."""
        with _writing(entry):
            atomic.make_folder(self.folder / "rejected")
            entry.replace(self.folder / "rejected" / entry.name)

    def failures(self) -> dict[str, int]:
        """Failed tries by channel, since the catalog began."""
        path = self.folder / "tally.state"
        try:
            return codec.read(DeliveryFailures, path).failures
        except (FileNotFoundError, errors.CatalogError):
            return {}  # where it is damaged: Prometheus expects that a counter may begin anew
        except OSError as error:
            raise _unreadable(path, error) from error

    def count_failure(self, channel: str) -> None:
        """One more failed try; only with the lock of the delivery in hand."""
        failures = self.failures()
        failures[channel] = failures.get(channel, 0) + 1
        with _writing(self.folder):
            content = json.dumps({"failures": failures}).encode() + b"\n"
            atomic.write(self.folder / "tally.state", content, shared=True)


def _listed(folder: Path) -> list[Path]:
    """What is in a folder; nothing where it is not there yet."""
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(folder, error) from error


def _unreadable(path: Path, error: OSError) -> errors.CatalogError:
    return errors.CatalogError(
        f"The catalog cannot be read: {path}: {error.strerror}.",
        remedy="Check the folder's owner, mode and mount.",
    )


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise errors.CatalogError(
            f"The catalog cannot be written: {path}: {error.strerror}.",
            remedy="Check free space, the folder's owner and mode, and that it is not mounted read-only.",
        ) from error
