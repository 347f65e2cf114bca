"""``pgbackstop window``: from when to when one can recover, gaps excluded, and what of it is proven."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pgbackstop_catalog import units
from pgbackstop_catalog.moments import format_time
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import completion, options, times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgbackstop_catalog.decisions.wal_copies import WalCopyState
    from pgbackstop_catalog.decisions.wal_segments import WalGap, WalWindow
    from pgbackstop_catalog.records.proof import Proof
    from pgbackstop_runner.recover.recoverable_windows import Recoverable, Span

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_TITLES = (
    "SERVER",
    "STORAGE",
    "FROM",
    "TO",
    "PROVEN UNTIL",
    "TIMELINE",
    "BEGINS WITH",
    "READ BACK",
    "ENDS WITH",
)
_TIMES = ("FROM", "TO")


@app.command(epilog=options.examples("window", "window main --json"))
def window(
    server: Annotated[
        str | None,
        typer.Argument(metavar="[SERVER]", help="Only this server.", autocompletion=completion.servers),
    ] = None,
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
        documents = [_document(each, span) for each in found for span in each.spans]
        copies = [
            _copy_document(each, copy, window)
            for each in found
            for copy in each.copies
            for window in copy.windows
        ]
        terminal.document(documents + copies)
        return
    rows = [_row(each, span) for each in found for span in each.spans]
    rows += [
        _copy_row(each, copy, window) for each in found for copy in each.copies for window in copy.windows
    ]
    if rows:
        titles = [times.title(each) if each in _TIMES else each for each in _TITLES]
        terminal.table([terminal.Column(title=each) for each in titles], rows)
    else:
        terminal.say("There is no recovery window: no physical backup with the WAL that follows it.")
    for each in found:
        for why in each.passed_over:
            terminal.say(f"The window of {each.server} is that of {each.storage}, not of {why}")
    for said in filter(None, map(_expired, found)):
        terminal.say(said)
    for each in found:
        for gap in each.gaps:
            terminal.say(_gap(each.server, gap))
    for copy in _copies(found):
        terminal.say(_if_lost(copy))


def _not_proven(found: Recoverable) -> str:
    return "expired" if found.expired_proof is not None else "no drill yet"


def _exact(drill: Proof | None) -> str:
    return times.exact(drill.proven_until) if drill and drill.proven_until else ""


def _expired(found: Recoverable) -> str | None:
    proof = found.expired_proof
    if proof is None or proof.proven_until is None:
        return None
    return (
        f"Of {found.server}, none of what is kept was drilled; the last proof, to "
        f"{times.exact(proof.proven_until)}, has expired. Drill now: 'pgbackstop drill {found.server}'."
    )


def _copies(found: Sequence[Recoverable]) -> list[WalCopyState]:
    return [copy for each in found for copy in each.copies]


def _row(found: Recoverable, span: Span) -> tuple[str, ...]:
    window, drill = span.window, span.drill
    return (
        found.server,
        found.storage,
        times.exact(window.start),
        times.exact(window.end),
        _exact(drill) or _not_proven(found),
        str(window.timeline),
        window.backup,
        span.verified.id if span.verified else "none yet",
        window.reason,
    )


def _copy_row(found: Recoverable, copy: WalCopyState, window: WalWindow) -> tuple[str, ...]:
    drill = _drill_of_copy(found, copy, window)
    ends = {"received": "the newest byte copied", "gap": "a gap", "archive": "the newest segment copied"}
    return (
        copy.server,
        copy.storage,
        times.exact(window.start),
        times.exact(window.end),
        _exact(drill) or "no drill yet",
        "",
        window.backup,
        "none yet",
        ends[window.ends],
    )


def _if_lost(copy: WalCopyState) -> str:
    """To which second, if all that is left is that storage."""
    reach = times.exact(copy.recoverable_until) if copy.recoverable_until else "no moment yet"
    trouble = f"; {copy.message}" if copy.message else ""
    lacks = (
        f"; {units.format_missing(copy.missing_segments, 'segment')} there" if copy.missing_segments else ""
    )
    return f"If this host is lost, {copy.storage} alone recovers {copy.server} to {reach}{lacks}{trouble}"


def _drill_of_copy(found: Recoverable, copy: WalCopyState, window: WalWindow) -> Proof | None:
    from pgbackstop_runner.recover import recoverable_windows  # noqa: PLC0415 - as above

    return recoverable_windows.furthest_drill_of_copy(copy, window, found.copy_proofs)


def _copy_document(found: Recoverable, copy: WalCopyState, window: WalWindow) -> dict[str, object]:
    drill = _drill_of_copy(found, copy, window)
    return {
        "server": copy.server,
        "storage": copy.storage,
        "start": format_time(window.start),
        "end": format_time(window.end),
        "ends": window.ends,
        "backup": window.backup,
        "proven_until": _time(drill.proven_until if drill else None),
        "proven_by": drill.id if drill else None,
        "missing_segments": copy.missing_segments,
        "message": copy.message,
    }


def _gap(server: str, gap: WalGap) -> str:
    harmless = f"; harmless since backup {gap.acknowledged_by}" if gap.acknowledged_by else ""
    found = times.exact(gap.found_at)
    why = f": {gap.reason}" if gap.reason else ""
    size = units.format_count(gap.segments, "segment")
    return f"Gap of {server}: {size}, {gap.first} to {gap.last}, found {found}{why}{harmless}."


def _document(found: Recoverable, span: Span) -> dict[str, object]:
    window, drill, verified = span.window, span.drill, span.verified
    return {
        "server": found.server,
        "storage": found.storage,
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
        "passed_over": list(found.passed_over),
    }


def _time(moment: datetime | None) -> str | None:
    return format_time(moment) if moment else None
