"""``pgbackstop window``: from when to when one can recover, gaps excluded, and what of it is proven."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pgbackstop_catalog.values import format_time
from pgbackstop_runner import screen
from pgbackstop_runner.commands import options

if TYPE_CHECKING:
    from pgbackstop_runner.recover.proven import Recoverable

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_COLUMNS = tuple(
    screen.Column(title=title)
    for title in ("SERVER", "FROM (UTC)", "TO (UTC)", "TIMELINE", "BEGINS WITH", "ENDS WITH")
)


@app.command()
def window(
    server: Annotated[str | None, typer.Argument(metavar="[SERVER]", help="Only this server.")] = None,
    json: options.Json = False,
) -> None:
    """Show to which moments one can recover, where the archive has gaps, and what is proven of it."""
    opened = options.open_workspace()
    from pgbackstop_runner.recover import proven  # noqa: PLC0415 - psycopg and what hangs on it

    if server is not None:
        opened.server(server)
    found = [
        proven.read(opened, name) for name in ([server] if server is not None else opened.config.servers)
    ]
    if json:
        screen.document([_document(each) for each in found])
        return
    rows = [row for each in found for row in _rows(each)]
    if rows:
        screen.table(_COLUMNS, rows)
        screen.say()
    for each in found:
        _say(each)


def _rows(found: Recoverable) -> list[tuple[str, ...]]:
    return [
        (
            found.server,
            format_time(each.start),
            format_time(each.end),
            str(each.timeline),
            each.backup,
            each.reason,
        )
        for each in found.windows
    ]


def _say(found: Recoverable) -> None:
    """A few sentences on each server."""
    if not found.windows:
        screen.say(
            f"{found.server}: there is no recovery window: no physical backup with the WAL that follows it."
        )
    for gap in found.gaps:
        harmless = f"; harmless since backup {gap.acknowledged_by}" if gap.acknowledged_by else ""
        screen.say(
            f"{found.server}: {gap.segments} segments are missing, {gap.first} to {gap.last}"
            f" (timeline {gap.timeline}){harmless}."
        )
    if not found.windows:
        return
    drill, backup = found.drill, found.verified
    if drill is None or drill.proven_until is None:
        screen.say(f"{found.server}: no drill has recovered to a moment of it yet.")
    else:
        screen.say(
            f"{found.server}: proven until {format_time(drill.proven_until)}"
            f" by drill {drill.id} of backup {drill.backup}."
        )
    if backup is None or backup.verified_at is None:
        screen.say(f"{found.server}: no physical backup of it has been read back yet.")
    else:
        screen.say(f"{found.server}: backup {backup.id} was read back {format_time(backup.verified_at)}.")


def _document(found: Recoverable) -> dict[str, object]:
    drill, backup = found.drill, found.verified
    return {
        "server": found.server,
        "windows": [
            {
                "start": format_time(each.start),
                "end": format_time(each.end),
                "ends": each.ends,
                "reason": each.reason,
                "backup": each.backup,
                "timeline": each.timeline,
            }
            for each in found.windows
        ],
        "gaps": [each.model_dump(mode="json") for each in found.gaps],
        "proven_until": _time(drill.proven_until if drill else None),
        "proven_by": drill.id if drill else None,
        "verified_backup": backup.id if backup else None,
        "verified_at": _time(backup.verified_at if backup else None),
    }


def _time(moment: datetime | None) -> str | None:
    return format_time(moment) if moment else None
