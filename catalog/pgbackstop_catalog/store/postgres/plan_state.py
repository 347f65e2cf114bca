"""What the state of a plan is made of, asked of PostgreSQL: those of its records that can matter, no others.

An attempt that is over and expired says no more than the ones after it: how a plan stands follows from what
is kept, and from the newest. Nor does a copy count that is whole, or a proof that is no drill.

Each function is for a catalog that the configuration has in PostgreSQL. It raises CatalogError, NewerRecord.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, LiteralString

from pgbackstop_catalog.decisions.attempts import UNREAD
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.store.postgres.catalog import PostgresCatalog
from pgbackstop_catalog.store.protocol import Catalog

NEWEST: Final = 100  # attempts of a plan, whether or not they are expired
_WITHOUT: Final[LiteralString] = """
    (case jsonb_typeof(document) when 'object' then document - %(unread)s::text[] else document end)::text"""
_OF_PLAN: Final[LiteralString] = " and scope = %(plan)s"
_THAT_MATTER: Final[LiteralString] = """
    and scope = %(plan)s and (state is distinct from 'expired' or name >= coalesce((
        select name from pgbackstop.records where kind = 'backup' and scope = %(plan)s
         order by name desc offset %(newest)s limit 1), ''))"""
_DAMAGED: Final[LiteralString] = "and document ->> 'damaged_at' is not null"
_DRILLS: Final[LiteralString] = "and document ->> 'proof' = 'drill'"
_FIRST: Final = 10  # of a page, where a reader mostly needs few


def attempts(catalog: Catalog, plan: str) -> Iterator[Backup]:
    """Those that are kept or did not succeed, and the newest, newest first, without ``attempts.UNREAD``."""
    values = {"plan": plan, "newest": NEWEST, "unread": [*UNREAD]}
    return _asked(catalog).records(Backup, "backup", _THAT_MATTER, values, document=_WITHOUT)


def newest_attempts(catalog: Catalog, plan: str) -> Iterator[Backup]:
    """All of them, newest first, without ``attempts.UNREAD``, for who needs few."""
    values = {"plan": plan, "unread": [*UNREAD]}
    return _asked(catalog).records(Backup, "backup", _OF_PLAN, values, document=_WITHOUT, page=_FIRST)


def damaged_copies(catalog: Catalog) -> Iterator[Copy]:
    """The copies of all plans that were found damaged."""
    return _asked(catalog).records(Copy, "copy", _DAMAGED, {})


def drills(catalog: Catalog, plan: str | None = None) -> Iterator[Proof]:
    """The drills of a plan or of all, newest first."""
    condition: LiteralString = _DRILLS if plan is None else _DRILLS + _OF_PLAN
    return _asked(catalog).records(Proof, "proof", condition, {"plan": plan})


def _asked(catalog: Catalog) -> PostgresCatalog:
    assert isinstance(catalog, PostgresCatalog)  # noqa: S101 - as the caller knows by the configuration
    return catalog
