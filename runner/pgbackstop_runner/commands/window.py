"""``pgbackstop window``: from when to when one can recover, gaps excluded."""

from __future__ import annotations

from typing import Annotated

import typer

from pgbackstop_catalog.values import format_time
from pgbackstop_runner import screen
from pgbackstop_runner.commands import options

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def window(
    server: Annotated[str | None, typer.Argument(metavar="[SERVER]", help="Only this server.")] = None,
    json: options.Json = False,
) -> None:
    """Show to which moments one can recover, and where the archive has gaps."""
    opened = options.open_workspace()
    from pgbackstop_runner.recover import archive  # noqa: PLC0415 - psycopg and what hangs on it

    if server is not None:
        opened.server(server)
    rows = []
    for name in [server] if server is not None else opened.config.servers:
        found = archive.read(opened, name)
        rows += [(name, each) for each in archive.windows(opened, name, found)]
    if json:
        fields = ("start", "end", "ends", "reason", "backup", "timeline")
        screen.document(
            [
                {"server": name, **{field: _json(getattr(each, field)) for field in fields}}
                for name, each in rows
            ]
        )
        return
    if not rows:
        screen.say("There is no recovery window: no physical backup with the WAL that follows it.")
        return
    titles = ("server", "from (UTC)", "to (UTC)", "timeline", "begins with", "ends with")
    columns = [screen.Column(title=title) for title in titles]
    screen.table(
        columns,
        [
            (
                name,
                format_time(each.start),
                format_time(each.end),
                str(each.timeline),
                each.backup,
                each.reason,
            )
            for name, each in rows
        ],
    )


def _json(value: object) -> object:
    from datetime import datetime  # noqa: PLC0415

    return format_time(value) if isinstance(value, datetime) else value
