"""The dashboard "Backup Status": every plan, server and disk on one page."""

from __future__ import annotations

from pgbackstop_dashboards import (
    health,
    history,
    links,
    marks,
    plans,
    proofs,
    sizes,
    storage,
    variables,
    verdict,
    wal,
)
from pgbackstop_dashboards.values import Dashboard


def page() -> Dashboard:
    """From the verdict down to what it rests on."""
    rows = (verdict, plans, history, sizes, wal, storage, proofs, health)
    return Dashboard(
        uid=links.STATUS_UID,
        title="Backup Status",
        description="Whether the backups of PostgreSQL are well: age, size, WAL, disks and proofs.",
        variables=variables.choices(one_plan=False),
        annotations=marks.ALL,
        rows=tuple(each.row() for each in rows),
        links=links.OUTSIDE,
    )
