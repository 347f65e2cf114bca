"""The archive of WAL: what could be lost, and what the server holds back for us."""

from __future__ import annotations

from pgbackstop_dashboards import links, panels, promql, theme
from pgbackstop_dashboards.model import Panel, Query, Row


def row() -> Row:
    """Empty for servers whose WAL is not archived."""
    states = (_receiver(), _missing(), _received(), _believed(), _believed_failed(), _ready())
    return Row(title="WAL", panels=(*states, _lag_bytes(), _lag(), _slot(), _segments(), _archive()))


def _query(metric: str, suffix: str = "") -> Query:
    return Query(expr=promql.each_server(promql.server(metric)), legend=f"{{{{server}}}}{suffix}")


def _at(metric: str) -> Query:
    return Query(
        expr=promql.moment(promql.each_server(promql.server(metric))),
        legend="{{server}}",
    )


def _receiver() -> Panel:
    return panels.stat(
        "Receiver",
        "Whether a receiver is connected to the replication slot.",
        _query("backup_wal_slot_active"),
        unit="short",
        words=theme.answers(yes="connected", no="nobody", bad=0),
        links=(links.runbook("WalReceiverDown", "What to do when nobody is"),),
        no_value="no slot",
    )


def _missing() -> Panel:
    return panels.stat(
        "Missing segments",
        "Segments that are missing for good and that no newer base backup makes up for: recovery cannot "
        "pass them.",
        _query("backup_wal_missing_segments"),
        unit="short",
        steps=theme.NONE_IS_GOOD,
        decimals=0,
        links=(links.runbook("WalGap", "What to do about a gap"),),
        no_value="not archived",
    )


def _received() -> Panel:
    return panels.stat(
        "Last WAL received",
        "When the newest WAL arrived here. On an idle server that can be long ago: look at the lag.",
        _at("backup_wal_last_received_timestamp_seconds"),
        unit="dateTimeFromNow",
        words=theme.NEVER,
        no_value="not archived",
    )


def _believed() -> Panel:
    return panels.stat(
        "Server archived last",
        "When the server believes that its archive_command last stored a segment. Compare it with what "
        "arrived.",
        _at("backup_pg_archiver_last_archived_timestamp_seconds"),
        unit="dateTimeFromNow",
        words=theme.NEVER,
        no_value="not asked",
    )


def _believed_failed() -> Panel:
    return panels.stat(
        "Server's archiving failed last",
        "When the server's archive_command last failed.",
        _at("backup_pg_archiver_last_failed_timestamp_seconds"),
        unit="dateTimeFromNow",
        words=theme.NEVER,
        no_value="not asked",
    )


def _ready() -> Panel:
    return panels.stat(
        "Waiting for archive_command",
        "Segments that wait on the server for its archive_command. Needs the right to list them.",
        _query("backup_wal_ready_segments"),
        unit="short",
        decimals=0,
        no_value="may not look",
    )


def _lag_bytes() -> Panel:
    return panels.lines(
        "Not archived yet",
        "WAL that the server has written and the archive does not hold: it would be lost with the server.",
        _query("backup_wal_lag_bytes"),
        unit="bytes",
        width=8,
    )


def _lag() -> Panel:
    target = f"min by (server) ({promql.plan('backup_rpo_target_seconds', promql.PHYSICAL)})"
    return panels.lines(
        "Archive is behind by",
        "Time since everything written was in the archive; stays small on an idle server. Dashed: the "
        "smallest target of the server's physical plans for data that may be lost.",
        _query("backup_wal_lag_seconds"),
        Query(expr=target, legend="{{server}} target"),
        unit="s",
        width=8,
    )


def _slot() -> Panel:
    return panels.lines(
        "Held back for the slot",
        "WAL that the server keeps for the replication slot, on the server's own disk. Dashed: the limit at"
        " which the alert fires.",
        _query("backup_wal_slot_retained_bytes"),
        _query("backup_wal_slot_limit_bytes", " limit"),
        unit="bytes",
        width=8,
    )


def _segments() -> Panel:
    archived = f"rate({promql.server('backup_wal_segments_total')}[$__rate_interval])"
    failed = f"rate({promql.server('backup_wal_failures_total')}[$__rate_interval])"
    return panels.lines(
        "Segments and failures",
        "Segments archived a second, and failed starts and broken streams of the receiver.",
        Query(expr=f"sum by (server) ({archived})", legend="{{server}} segments"),
        Query(expr=f"sum by (server) ({failed})", legend="{{server}} failures"),
        unit="cps",
        height=7,
    )


def _archive() -> Panel:
    return panels.lines(
        "Size of the archive",
        "Stored bytes of the WAL archive.",
        _query("backup_wal_archive_bytes"),
        unit="bytes",
        height=7,
    )
