"""The dashboard "Backup History and Capacity": what happened, how backups grow, when disks will be full."""

from pgbackstop_dashboards import annotations, links, variables
from pgbackstop_dashboards.model import Dashboard
from pgbackstop_dashboards.rows import history, proofs, sizes, storage, wal


def page() -> Dashboard:
    """Of a whole fleet: the ten largest or worst where there are many."""
    return Dashboard(
        uid=links.HISTORY_UID,
        title="Backup History and Capacity",
        description="What happened to backups of PostgreSQL, how large they become, how long disks last.",
        variables=variables.fleet(),
        annotations=annotations.ALL,
        rows=(
            history.row(),
            storage.row(),
            sizes.of_a_fleet(),
            wal.row(),
            proofs.graphs(one_plan=False),
        ),
        links=links.OUTSIDE,
        refresh="5m",
    )
