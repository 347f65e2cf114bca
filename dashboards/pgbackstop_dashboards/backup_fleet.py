"""The dashboard "Backup Fleet": hundreds of servers by their worst plan, by state and by team."""

from pgbackstop_dashboards import annotations, links, variables
from pgbackstop_dashboards.model import Dashboard
from pgbackstop_dashboards.rows import servers, workers


def page() -> Dashboard:
    """Counts first, then every server, the worst first, then who makes their backups."""
    return Dashboard(
        uid=links.FLEET_UID,
        title="Backup Fleet",
        description="How many servers have well kept backups of PostgreSQL, by state and team.",
        variables=variables.by_team(),
        annotations=annotations.SHOWN,
        rows=(servers.counts(), servers.each(), workers.row()),
        links=links.OUTSIDE,
    )
