"""The choices at the top of a page, each narrowed by those before it."""

from __future__ import annotations

from pgbackstop_dashboards.model import Variable

# Every plan of the configuration has this series, whether it ever ran or not.
_SERIES = "backup_enabled"


def choices(*, one_plan: bool) -> tuple[Variable, ...]:
    """Server, database, plan, type; ``one_plan``: a single plan must be chosen."""
    return (
        Variable(
            name="server",
            title="Server",
            description="PostgreSQL servers that are protected.",
            series=_SERIES,
        ),
        Variable(
            name="database",
            title="Database",
            description="Databases of logical plans; only All shows the backups of whole servers too.",
            series=f'{_SERIES}{{server=~"$server"}}',
        ),
        Variable(
            name="plan",
            title="Plan",
            description="What is backed up, how and when.",
            series=f'{_SERIES}{{server=~"$server",database=~"$database"}}',
            multiple=not one_plan,
        ),
        Variable(
            name="backup_type",
            title="Type",
            description="Logical: by pg_dump. Physical: by pg_basebackup.",
            series=f'{_SERIES}{{server=~"$server",database=~"$database",plan=~"$plan"}}',
        ),
    )
