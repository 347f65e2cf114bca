"""The page for people, at ``/``: plain HTML that needs no script, no other file and no Grafana."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import html
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from pgbackstop_exporter import threads
from pgbackstop_exporter.families import servers
from pgbackstop_exporter.snapshot import Snapshot
from pgbackstop_exporter.supervisor import Supervisor
from pgbackstop_exporter.web import page, sample_index, status
from pgbackstop_exporter.web.status import PlanRow, State, Status
from pgbackstop_exporter.web.status_items import Item

_REFRESH_SECONDS: Final = 30
_KEEP_SECONDS: Final = 10.0
# What the columns say, by their heads.
_COLUMNS: Final[dict[str, Callable[[PlanRow], str]]] = {
    "Plan": lambda row: row.plan,
    "Server": lambda row: row.server,
    "Database": lambda row: row.database,
    "Last success": lambda row: row.age,
    "Size": lambda row: row.size,
    "Duration": lambda row: row.duration,
    "Next run": lambda row: row.next_run,
    "Verified": lambda row: row.verified,
    "Drilled": lambda row: row.drilled,
}
# On a narrow screen each row is a card whose cells say their column.
_STYLE: Final = """
:root{color-scheme:light dark}
body{font:15px/1.4 system-ui,sans-serif;margin:1.5rem auto;max-width:80rem;padding:0 1rem}
table{border-collapse:collapse;width:100%}
td,th{padding:.35rem .8rem .35rem 0;text-align:left;vertical-align:top;border-bottom:1px solid #8884}
b{white-space:nowrap;padding:0 .4rem;border-radius:.3rem;border:1px solid currentColor}
.bad b{color:#fff;background:#b00020;border-color:#b00020}
small{display:block;opacity:.8}
ul{padding-left:1.2rem}
@media(max-width:50rem){
table,tbody,tr,td{display:block}thead{display:none}
tr{border:1px solid #8886;border-radius:.4rem;margin:.6rem 0;padding:.4rem .6rem}
td{border:0;padding:.1rem 0}td[data-c]::before{content:attr(data-c) ": ";opacity:.7}}
"""
_DIGEST: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS: Final = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "deny",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class StatusPage:
    """Holds the page of a watch; it is built when somebody asks, and not again while nothing changed."""

    def __init__(self, watch: Supervisor, telemetry_path: str) -> None:
        self._watch = watch
        self._telemetry_path = telemetry_path
        self._building = asyncio.Lock()
        self._built: tuple[Snapshot, float, str] | None = None

    async def text(self) -> str:
        """The page as of now, or of some seconds ago."""
        async with self._building:
            snapshot = self._watch.snapshot
            if self._built is None or self._built[0] is not snapshot or self._is_old(self._built[1]):
                work = partial(_built, snapshot, self._telemetry_path)
                self._built = snapshot, time.monotonic(), await threads.run(work, name="landing")
            return self._built[2]

    def _is_old(self, built_at: float) -> bool:
        return time.monotonic() - built_at > _KEEP_SECONDS


def _built(snapshot: Snapshot, telemetry_path: str) -> str:
    now = time.time()
    families = page.build(snapshot, now=now)
    servers.add_health(families, snapshot)
    return render(status.of(families, snapshot.health, now), now, telemetry_path)


def render(found: Status, now: float, telemetry_path: str) -> str:
    """The page as HTML; every text from outside is escaped."""
    sections = (
        _plans(found.plans),
        _items("Servers", found.servers),
        _items("Disks", found.disks),
        _items("Exporter", found.exporter),
    )
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>pgbackstop</title>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<meta http-equiv='refresh' content='{_REFRESH_SECONDS}'><style>{_STYLE}</style></head><body>"
        f"<h1>{_verdict(found)}</h1><p>As of {sample_index.moment(now)}; renewed every {_REFRESH_SECONDS} s. "
        f"<a href='{html.escape(telemetry_path)}'>Metrics</a></p>{''.join(sections)}</body></html>\n"
    )


def _verdict(found: Status) -> str:
    counts = found.counts
    if not counts:
        return "No plan is configured"
    total = sum(counts.values())
    if counts.get("ok") == total:
        return f"Backups: all {total} ok" if total > 1 else "Backups: ok"
    return "Backups: " + ", ".join(f"{number} {word}" for word, number in counts.items())


def _plans(rows: tuple[PlanRow, ...]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th scope='col'>{name}</th>" for name in ("State", *_COLUMNS))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(map(_plan, rows))}</tbody></table>"


def _plan(row: PlanRow) -> str:
    cells = "".join(
        f"<td data-c='{name}'>{html.escape(text_of(row))}</td>" for name, text_of in _COLUMNS.items()
    )
    return f"<tr{_marked(row.state.word in status.BAD)}><td>{_state(row.state)}</td>{cells}</tr>"


def _state(state: State) -> str:
    why = f"<small>{html.escape(state.why)}</small>" if state.why else ""
    return f"<b>{state.word}</b>{why}"


def _items(title: str, items: tuple[Item, ...]) -> str:
    if not items:
        return ""
    return f"<h2>{title}</h2><ul>{''.join(map(_item, items))}</ul>"


def _item(item: Item) -> str:
    word = "ok" if item.is_well else "look"
    lines = "".join(f"<small>{html.escape(line)}</small>" for line in item.lines)
    return f"<li{_marked(not item.is_well)}>{html.escape(item.name)} <b>{word}</b>{lines}</li>"


def _marked(is_bad: bool) -> str:
    return " class='bad'" if is_bad else ""
