"""The choices at the top of a page, each narrowed by those before it."""

from __future__ import annotations

from typing import Final

from pgbackstop_dashboards.model import Variable

# Every plan of the configuration has this series, whether it ever ran or not.
_SERIES: Final = "backup_enabled"
_TEXTS: Final = {
    "instance": ("Exporter", "Exporters that are scraped; two may know plans of equal names."),
    "server": ("Server", "PostgreSQL servers that are protected."),
    "database": ("Database", "Databases of logical plans; a plan of a whole server has none."),
    "plan": ("Plan", "What is backed up, how and when."),
    "backup_type": ("Type", "Logical: by pg_dump. Physical: by pg_basebackup."),
}


def fleet() -> tuple[Variable, ...]:
    """Everything, until the reader chooses."""
    return _narrowing(dict.fromkeys(("instance", "server", "database", "plan", "backup_type"), True))


def by_team() -> tuple[Variable, ...]:
    """Everything, and the teams of those servers last: the free label of that name."""
    team = Variable(
        name="team",
        title="Team",
        description="The free label team of servers; all of them have those without one, too.",
        series='backup_server_info{instance=~"$instance",server=~"$server"}',
    )
    return (*fleet(), team)


def one_plan() -> tuple[Variable, ...]:
    """One plan and one of its databases. Of any exporter, unless a link says which: the first by its name may
    be one that was there in the days that are shown, and is no more.
    """
    return _narrowing(
        {"instance": True, "server": True, "plan": False, "backup_type": True, "database": False}
    )


def _narrowing(multiple: dict[str, bool]) -> tuple[Variable, ...]:
    names = list(multiple)
    return tuple(
        Variable(
            name=name,
            title=_TEXTS[name][0],
            description=_TEXTS[name][1],
            series=_chosen(names[:position]),
            multiple=multiple[name],
        )
        for position, name in enumerate(names)
    )


def _chosen(names: list[str]) -> str:
    """The series that are left by the choices before."""
    matchers = ",".join(f'{name}=~"${name}"' for name in names)
    return f"{_SERIES}{{{matchers}}}" if matchers else _SERIES
