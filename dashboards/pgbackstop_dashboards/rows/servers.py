"""Servers of a fleet by their worst plan, counted by state and by team, and one line for each."""

from __future__ import annotations

from typing import Final

from pgbackstop_dashboards import links, panels, promql, theme
from pgbackstop_dashboards.model import Panel, Query, Row, Word

TEAM: Final = "team"
_INFO: Final = "backup_server_info"
_BY_TEAM: Final = f"{promql.SERVER_LABELS}, {TEAM}"
# A state that was counted is a label, and so a text.
_COUNTED: Final = tuple(
    Word(value=str(int(each.value)), text=each.text, colour=each.colour) for each in theme.STATES
)


def counts() -> Row:
    """Without a heading, so that the number is the first thing on a phone too."""
    return Row(title="", panels=(_number(), _states(), _teams()))


def each() -> Row:
    """Every server."""
    return Row(title="Servers", panels=(_table(),))


def _of_team(expr: str) -> str:
    """The same of the chosen teams, with the team as a label; of a server without one it is empty."""
    chosen = promql.server(_INFO).replace("}", f',{TEAM}=~"${TEAM}"}}')
    known = f"max by ({_BY_TEAM}) ({chosen})"
    return f"({expr}) * on ({promql.SERVER_LABELS}) group_left ({TEAM}) {known}"


def _worst() -> str:
    """The state of each server's worst plan."""
    return f"max by ({_BY_TEAM}) ({_of_team(promql.state())})"


def _number() -> Panel:
    wrong = f"count({_worst()} >= {promql.NEEDS_SOMEBODY})"
    none = f"0 * count({_worst()})"
    return panels.stat(
        "Servers that need somebody",
        "Servers of which some plan is late, failed, never made, stuck or unknown. Not known: no exporter "
        "answers, or no server is chosen.",
        Query(expr=promql.first_known(wrong, none), legend="need somebody"),
        unit="short",
        width=5,
        height=8,
        decimals=0,
        steps=theme.NONE_IS_GOOD,
        words=(theme.NOT_KNOWN,),
        links=links.STATE_RUNBOOKS,
    )


def _states() -> Panel:
    return panels.table(
        "By state",
        "How many servers have their worst plan in each state.",
        Query(expr=f'count_values("state", {_worst()})', column="Servers"),
        labels={"state": "State"},
        width=7,
        height=8,
        sort_by="Servers",
        columns=(panels.column("State", 130, words=_COUNTED), panels.column("Servers", 90, decimals=0)),
    )


def _teams() -> Panel:
    count = f"count by ({TEAM})"
    return panels.table(
        "By team",
        "By the free label team of servers: how many there are, how many have a plan that needs somebody, "
        "and what the oldest newest success is of its limit. Servers without that label are in one line.",
        Query(
            expr=f"{count} ({_worst()} >= {promql.NEEDS_SOMEBODY}) or 0 * {count} ({_worst()})",
            column="Not well",
        ),
        Query(expr=f"{count} ({_worst()})", column="Servers"),
        Query(expr=f"max by ({TEAM}) ({_of_team(promql.share_of_limit())})", column="Oldest"),
        labels={TEAM: "Team"},
        width=12,
        height=8,
        sort_by="Not well",
        columns=(
            panels.column("Team", 180, no_value="none"),
            panels.column("Not well", 100, decimals=0, steps=theme.NONE_IS_GOOD),
            panels.column("Servers", 100, decimals=0),
            panels.share("Oldest", 90),
        ),
    )


def _table() -> Panel:
    success = f"{promql.plan('backup_last_success_time')} > 0"
    return panels.table(
        "Every server",
        "The state is that of the server's worst plan; Not well counts its plans, of one database each, that "
        "need somebody. Oldest: the largest age of its plans, of the plan's limit, which is at 100 %. The "
        "worst come first.",
        Query(expr=promql.or_silence(_worst(), "server", promql.SILENT), column="State"),
        Query(expr=f"count by ({_BY_TEAM}) ({_of_team(promql.needs_somebody())})", column="Not well"),
        Query(expr=f"count by ({_BY_TEAM}) ({_of_team(promql.state())})", column="Plans"),
        Query(
            expr=promql.moment(f"min by ({_BY_TEAM}) ({_of_team(f'({success})')})"),
            column="Oldest success",
        ),
        Query(expr=f"max by ({_BY_TEAM}) ({_of_team(promql.share_of_limit())})", column="Oldest"),
        labels={"server": "Server", TEAM: "Team", "instance": "Exporter"},
        height=18,
        sort_by="State",
        columns=(
            panels.column("Server", 220),
            panels.column("Team", 150, no_value="none"),
            panels.filled(panels.column("State", 110, words=theme.STATES, links=links.STATE_RUNBOOKS)),
            panels.column("Not well", 90, decimals=0),
            panels.column("Plans", 80, decimals=0),
            panels.moment("Oldest success", 140),
            panels.share("Oldest", 80),
            panels.column("Exporter", 160),
        ),
    )
