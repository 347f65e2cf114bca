"""The dashboard "Backup Status": is all safe, to which second, and if not, why? A screen and a half."""

from pgbackstop_dashboards import annotations, links, variables
from pgbackstop_dashboards.model import Dashboard
from pgbackstop_dashboards.rows import health, overview, plans, proofs


def page() -> Dashboard:
    """From the verdict down to what it rests on."""
    return Dashboard(
        uid=links.STATUS_UID,
        title="Backup Status",
        description="Whether backups of PostgreSQL are well, and to which second servers can be restored.",
        variables=variables.fleet(),
        annotations=annotations.SHOWN,
        rows=(overview.row(), overview.attention(), plans.row(), proofs.row(), health.row()),
        links=links.OUTSIDE,
    )
