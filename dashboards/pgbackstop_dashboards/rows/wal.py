"""The archive of WAL: what could be lost, and what the server holds back for us."""

from __future__ import annotations

from pgbackstop_dashboards import links, panels, promql, theme
from pgbackstop_dashboards.model import Override, Panel, Query, Row, Word
from pgbackstop_dashboards.rows import restorable

_GROWING = -2


def row() -> Row:
    """A line for each server, and the same over the time. Empty for servers whose WAL is not archived."""
    return Row(
        title="WAL", panels=(_table(), _lag_bytes(), _lag(), _slot(), _segments(), _archive(), _copies())
    )


def _of(metric: str, heading: str) -> Query:
    return Query(expr=promql.each_server(promql.server(metric)), column=heading)


def _moment_of(metric: str, heading: str) -> Query:
    return Query(expr=promql.moment(promql.each_server(promql.server(metric))), column=heading)


def _table() -> Panel:
    earliest = promql.server("backup_earliest_recoverable_timestamp_seconds")
    return panels.table(
        "Recovery window and WAL of every server",
        "Window: how far back each server can be recovered to any moment; kept: of what its physical plans "
        "promise, as soon as they can have kept it. Gaps: segments that are missing for good. Held back: "
        "WAL that the server keeps for the slot, of the limit at which the alert fires. The server's own "
        "view of its archive_command is beside what arrived here.",
        Query(expr=promql.each_server(f"time() - ({earliest} > 0)"), column="Window"),
        _of("backup_recovery_window_target_seconds", "Promised"),
        Query(expr=_kept(), column="Kept"),
        _of("backup_wal_missing_segments", "Gaps"),
        _moment_of("backup_wal_last_received_timestamp_seconds", "WAL received"),
        Query(expr=_lag_share(), column="Behind"),
        Query(expr=_held_back(), column="Held back"),
        _moment_of("backup_pg_archiver_last_archived_timestamp_seconds", "Server archived"),
        _moment_of("backup_pg_archiver_last_failed_timestamp_seconds", "Archiving failed"),
        _of("backup_wal_ready_segments", "Waiting"),
        _of("backup_wal_archive_bytes", "Archive"),
        labels={"server": "Server", "instance": "Exporter"},
        columns=_columns(),
        sort_by="Behind",
        height=6,
    )


def _columns() -> tuple[Override, ...]:
    return (
        panels.column("Server", 140),
        panels.span("Window", 145),
        panels.span("Promised", 145),
        panels.share(
            "Kept",
            90,
            steps=theme.BELOW_IS_BAD,
            words=(Word(value=_GROWING, text="growing", colour=theme.QUIET),),
            links=(links.runbook("RecoveryWindowShort", "What to do when it is short"),),
        ),
        panels.column(
            "Gaps", 70, steps=theme.NONE_IS_GOOD, links=(links.runbook("WalGap", "What to do about a gap"),)
        ),
        panels.moment("WAL received", 140),
        panels.share("Behind", 80, links=(links.runbook("WalLagging", "What to do when it lags"),)),
        panels.share("Held back", 90, links=(links.runbook("WalSlotRetention", "What to do about it"),)),
        panels.moment("Server archived", 140),
        panels.moment("Archiving failed", 140),
        panels.column("Waiting", 80),
        panels.column("Archive", 100, unit="decbytes", decimals=1),
        panels.column("Exporter", 150),
    )


def _kept() -> str:
    """As in the alert RecoveryWindowShort: a plan that is younger than its promise cannot have kept it "
    "yet."""
    earliest = promql.server("backup_earliest_recoverable_timestamp_seconds")
    target = promql.each_server(promql.server("backup_recovery_window_target_seconds"))
    back = promql.each_server(f"time() - ({earliest} > 0)")
    due = promql.plan("backup_first_due_timestamp_seconds", promql.PHYSICAL)
    grace = promql.plan("backup_max_age_seconds", promql.PHYSICAL)
    since = f"time() - min by ({promql.SERVER_LABELS}) ({due} + {grace})"
    share = f"{back} / {target}"
    return f"({share} >= 1) or ({share} and {since} > {target}) or 0 * ({share}) + {_GROWING}"


def _lag_share() -> str:
    return f"{promql.each_server(promql.server('backup_wal_lag_seconds'))} / {restorable.LAG_LIMIT}"


def _held_back() -> str:
    kept, limit = (
        promql.each_server(promql.server(f"backup_wal_slot_{name}_bytes")) for name in ("retained", "limit")
    )
    return f"{kept} / {limit}"


def _query(metric: str, suffix: str = "") -> Query:
    return Query(expr=promql.each_server(promql.server(metric)), legend=f"{{{{server}}}}{suffix}")


def _lag_bytes() -> Panel:
    return panels.lines(
        "Not archived yet",
        "WAL that the server has written and the archive does not hold: it would be lost with the server.",
        _query("backup_wal_lag_bytes"),
        unit="decbytes",
        width=8,
    )


def _lag() -> Panel:
    lag = promql.each_server(promql.server("backup_wal_lag_seconds"))
    return panels.lines(
        "Archive is behind by",
        "Time since everything written was in the archive; stays small on an idle server. Dashed: five "
        "minutes, from which on the alert WalLagging counts it.",
        Query(expr=lag, legend="{{server}}"),
        Query(expr=f"0 * {lag} + {restorable.LAG_LIMIT}", legend="{{server}} limit"),
        unit="dtdurations",
        decimals=1,
        width=8,
    )


def _slot() -> Panel:
    return panels.lines(
        "Held back for the slot",
        "WAL that the server keeps for the replication slot, on the server's own disk. Dashed: the limit at"
        " which the alert fires.",
        _query("backup_wal_slot_retained_bytes"),
        _query("backup_wal_slot_limit_bytes", " limit"),
        unit="decbytes",
        width=8,
    )


def _segments() -> Panel:
    archived = f"rate({promql.server('backup_wal_segments_total')}[$__rate_interval])"
    failed = f"rate({promql.server('backup_wal_failures_total')}[$__rate_interval])"
    return panels.lines(
        "Segments and failures an hour",
        "Segments archived in an hour, and failed starts and broken streams of the receiver.",
        Query(expr=f"3600 * sum by ({promql.SERVER_LABELS}) ({archived})", legend="{{server}} segments"),
        Query(expr=f"3600 * sum by ({promql.SERVER_LABELS}) ({failed})", legend="{{server}} failures"),
        unit="short",
        height=7,
    )


def _archive() -> Panel:
    return panels.lines(
        "Size of the archive",
        "Stored bytes of the WAL archive.",
        _query("backup_wal_archive_bytes"),
        unit="decbytes",
        height=7,
    )


def _copies() -> Panel:
    return panels.table(
        "WAL in other storages",
        "What each storage alone can recover, as when the backup host is lost. Behind: since the latest "
        "moment; the alert WalCopyBehind fires a quarter of an hour after the archive. Waiting: archived "
        "segments that are not there yet. Missing: between those that are. Damaged: read back, and not sent "
        "again. Held: kept here for that storage alone.",
        Query(expr=_each_copy("up"), column="Copier"),
        Query(expr=promql.moment(_each_copy("latest_recoverable_timestamp_seconds")), column="Until"),
        Query(expr=promql.moment(_each_copy("earliest_recoverable_timestamp_seconds")), column="From"),
        Query(expr=_each_copy("lag_seconds"), column="Behind"),
        Query(expr=_each_copy("pending_segments"), column="Waiting"),
        Query(expr=_each_copy("missing_segments"), column="Missing"),
        Query(expr=_each_copy("damaged_segments"), column="Damaged"),
        Query(expr=_each_copy("held_segments"), column="Held"),
        Query(expr=_each_copy("bytes"), column="Stored"),
        Query(expr=_rate_of_copy("segments_total"), column="Sent in an hour"),
        Query(expr=_rate_of_copy("failures_total"), column="Failures"),
        labels={"server": "Server", "storage": "Storage", "instance": "Exporter"},
        columns=(
            panels.column("Server", 140),
            panels.column("Storage", 140),
            panels.column(
                "Copier",
                90,
                words=theme.answers(yes="works", no="down", bad=0),
                links=(links.runbook("WalCopyBehind", "What to do when it is down"),),
            ),
            panels.clock("Until", words=theme.NEVER),
            panels.clock("From", words=theme.NEVER),
            panels.stopwatch("Behind"),
            panels.column("Waiting", 80),
            panels.column("Missing", 80, steps=theme.NONE_IS_GOOD),
            panels.column("Damaged", 90, steps=theme.NONE_IS_GOOD),
            panels.column("Held", 70),
            panels.column("Stored", 100, unit="decbytes", decimals=1),
            panels.column("Sent in an hour", 130, decimals=0),
            panels.column("Failures", 80, decimals=0),
            panels.column("Exporter", 150),
        ),
        sort_by="Behind",
        height=6,
    )


def _each_copy(name: str) -> str:
    return f"max by ({promql.SERVER_LABELS}, storage) ({promql.server(f'backup_wal_copy_{name}')})"


def _rate_of_copy(name: str) -> str:
    rate = f"rate({promql.server(f'backup_wal_copy_{name}')}[$__rate_interval])"
    return f"3600 * sum by ({promql.SERVER_LABELS}, storage) ({rate})"
