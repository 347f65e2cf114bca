"""Which attempts a list is to show. Imports nothing slow, so that a list can start from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pgbackstop_catalog.store.summary import BackupSummary


@dataclass(frozen=True, kw_only=True)
class BackupFilter:
    """Those in one of these states, ``succeeded`` being both available and expired, and of this database.

    Without states those in any, with ``None`` those of any database.
    """

    states: frozenset[str] = frozenset()
    database: str | None = None

    def wants(self, each: BackupSummary) -> bool:
        """Whether an attempt is to be shown."""
        of_state = not self.states or each.state in self.states or each.status in self.states
        return of_state and self.database in {None, each.database}


EVERY: Final = BackupFilter()
