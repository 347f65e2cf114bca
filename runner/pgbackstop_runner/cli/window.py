"""``pgbackstop window``: from when to when one can recover, gaps excluded, and what of it is proven."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pgbackstop_catalog.model import format_time
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import options

if TYPE_CHECKING:
    from pgbackstop_catalog.decisions.wal_segments import WalGap
    from pgbackstop_runner.recover.recoverable_windows import Recoverable, Span

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_TITLES = (
    "SERVER",
    "FROM (UTC)",
    "TO (UTC)",
    "PROVEN UNTIL",
    "TIMELINE",
    "BEGINS WITH",
    "READ BACK",
    "ENDS WITH",
)


@app.command()
def window(
    server: Annotated[str | None, typer.Argument(metavar="[SERVER]", help="Only this server.")] = None,
    json: options.Json = False,
) -> None:
    """Show to which moments one can recover, where the archive has gaps, and what is proven of it."""
    opened = options.open_logged()
    from pgbackstop_runner.recover import recoverable_windows  # noqa: PLC0415 - psycopg and what hangs on it

    if server is not None:
        opened.server(server)
    found = [
        recoverable_windows.read(opened, name)
        for name in ([server] if server is not None else opened.config.servers)
    ]
    if json:
        terminal.document([_document(each, span) for each in found for span in each.spans])
        return
    rows = [_row(each.server, span) for each in found for span in each.spans]
    if rows:
        terminal.table([terminal.Column(title=title) for title in _TITLES], rows)
    else:
        terminal.say("There is no recovery window: no physical backup with the WAL that follows it.")
    for each in found:
        for gap in each.gaps:
            terminal.say(_gap(each.server, gap))


def _row(server: str, span: Span) -> tuple[str, ...]:
    window, drill = span.window, span.drill
    return (
        server,
        format_time(window.start),
        format_time(window.end),
        _time(drill.proven_until if drill else None) or "no drill yet",
        str(window.timeline),
        window.backup,
        span.verified.id if span.verified else "none yet",
        window.reason,
    )


def _gap(server: str, gap: WalGap) -> str:
    harmless = f"; harmless since backup {gap.acknowledged_by}" if gap.acknowledged_by else ""
    found = format_time(gap.found_at)
    return f"Gap of {server}: {gap.segments} segments, {gap.first} to {gap.last}, found {found}{harmless}."


def _document(found: Recoverable, span: Span) -> dict[str, object]:
    window, drill, verified = span.window, span.drill, span.verified
    return {
        "server": found.server,
        "start": format_time(window.start),
        "end": format_time(window.end),
        "ends": window.ends,
        "reason": window.reason,
        "backup": window.backup,
        "timeline": window.timeline,
        "proven_until": _time(drill.proven_until if drill else None),
        "proven_by": drill.id if drill else None,
        "verified_backup": verified.id if verified else None,
        "verified_at": _time(verified.verified_at if verified else None),
        "gaps": [each.model_dump(mode="json") for each in found.gaps],
    }


def _time(moment: datetime | None) -> str | None:
    return format_time(moment) if moment else None
