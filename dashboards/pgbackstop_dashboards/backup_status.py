"""The dashboard "Backup Status": every plan, server and disk on one page."""

from pgbackstop_dashboards import annotations, links, variables
from pgbackstop_dashboards.model import Dashboard
from pgbackstop_dashboards.rows import health, history, overview, plans, proofs, sizes, storage, wal


def page() -> Dashboard:
    """From the verdict down to what it rests on."""
    rows = (overview, plans, history, sizes, wal, storage, proofs, health)
    return Dashboard(
        uid=links.STATUS_UID,
        title="Backup Status",
        description="Whether the backups of PostgreSQL are well: age, size, WAL, disks and proofs.",
        variables=variables.choices(one_plan=False),
        annotations=annotations.ALL,
        rows=tuple(each.row() for each in rows),
        links=links.OUTSIDE,
    )
