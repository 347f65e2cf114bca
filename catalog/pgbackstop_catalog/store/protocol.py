"""The protocol of a catalog: the records of all backups, copies, proofs and restores.

Every user of a catalog is typed by this protocol, and every catalog passes the suite of
tests/conformance/catalog.py. A host's locks and leases are no part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_catalog.records.storage import StorageMark
from pgbackstop_catalog.records.totals import Totals

AnyRecord = Backup | Copy | Proof | Restore | StorageMark | Totals


class Catalog(Protocol):
    """The records of all backups, copies, proofs and restores.

    Each method raises CatalogError where the catalog cannot be read or written, NewerRecord for a record of a
    newer version: to act on half of the truth could delete what the other half protects.
    """

    @property
    def location(self) -> str:
        """Its place, for people."""

    def create(self) -> bool:
        """Begin a new catalog where none is; whether it was begun. Only ever by a person's command."""

    def is_there(self) -> bool:
        """Whether it has been begun, and is not a disk that is not mounted."""

    def telling(self, on_invalid_record: Callable[[errors.CatalogError], None]) -> Catalog:
        """The same, with another one who hears of what is no record; what was read already is shared."""

    def held(self) -> Catalog:
        """The same for one look at all servers: which physical records there are is found out once."""

    def storages(self) -> Iterator[StorageMark]:
        """The storages that it knows, by their name in the configuration."""

    def storage(self, name: str) -> StorageMark | None:
        """What it knows the storage of that name by; None where it has not seen it yet."""

    def put(self, record: AnyRecord) -> None:
        """Write or replace a record durably."""

    def put_progress(self, record: Backup) -> None:
        """Replace a running record without waiting for the disk: after a crash it is reconciled anyway."""

    def backups(self, plan: str | None = None) -> Iterator[Backup]:
        """All attempts, the newest first."""

    def physical_backups(self, server: str) -> list[Backup]:
        """The server's physical backups of all plans, whatever these make now, the newest first."""

    def backup(self, backup_id: str) -> Backup:
        """The attempt of that id, or of an unambiguous beginning of it. Raises NotFound."""

    def has(self, record: AnyRecord) -> bool:
        """Return whether it holds that record in a version that can be read, or in a newer one."""

    def copies(self, plan: str | None = None) -> Iterator[Copy]:
        """All copies, the newest first."""

    def proofs(self, plan: str | None = None) -> Iterator[Proof]:
        """All proofs, the newest first."""

    def physical_proofs(self, server: str) -> list[Proof]:
        """The proofs of the server's physical backups, the newest first."""

    def restores(self, server: str | None = None) -> Iterator[Restore]:
        """All restores into a server, or into any, the newest first."""

    def totals(self, plan: str) -> Totals:
        """Return what a plan's removed records had counted; zeros where nothing was removed yet."""

    def tallies(self) -> Iterator[Totals]:
        """The totals of every plan that has some, whether or not it has records."""

    def plans(self) -> tuple[str, ...]:
        """Every plan that has a record, whether or not it is still configured."""

    def reassign(self, record: Backup | Copy | Proof, old: str, new: str) -> None:
        """Give a record of the plan ``old`` to the plan ``new``; at each moment one of the two has it.

        Repeated it ends what was begun.
        """

    def remove(self, record: Backup) -> None:
        """Forget an attempt, its copies and its proofs."""

    def sweep(self, plan: str) -> None:
        """Remove what processes that were killed left half written; the plan's lock is held."""

    def check_writable(self) -> None:
        """Raises CatalogError where a record could not be written now."""
