"""What is served over HTTP: the metrics, a small page for people, health, reload."""

from __future__ import annotations

import html
import time
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import hdrs, web
from prometheus_client.exposition import gzip_accepted

from pgbackstop_exporter import status
from pgbackstop_exporter.exposition import Form
from pgbackstop_exporter.facts import CATALOG, Snapshot
from pgbackstop_exporter.pages import Pages
from pgbackstop_exporter.watch import Watch
from pgbackstop_exporter.web_guard import Guard

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_STYLE: Final = (
    "body{font:16px system-ui,sans-serif;margin:2rem;max-width:60rem}table{border-collapse:collapse}"
    "td,th{padding:.3rem 1rem .3rem 0;text-align:left;border-bottom:1px solid #ddd}"
    ".failed,.late,.never{color:#b00020;font-weight:bold}.ok,.running{color:#00662a}"
)


Reload = Callable[[], Awaitable[str]]


def make_app(
    watch: Watch, pages: Pages, guard: Guard, reload: Reload, *, telemetry_path: str
) -> web.Application:
    """The application. Only the reload changes anything, and only what the exporter itself knows."""
    handlers = _Handlers(watch, pages, reload, telemetry_path)
    app = web.Application()
    guard.protect(app)
    app.router.add_get("/", handlers.landing)
    app.router.add_get(telemetry_path, handlers.metrics)
    app.router.add_get("/-/healthy", handlers.healthy)
    app.router.add_get("/-/ready", handlers.ready)
    app.router.add_post("/-/reload", handlers.reload)
    return app


class _Handlers:
    def __init__(self, watch: Watch, pages: Pages, reload: Reload, telemetry_path: str) -> None:
        self._watch = watch
        self._pages = pages
        self._reload = reload
        self._telemetry_path = telemetry_path

    async def metrics(self, request: web.Request) -> web.Response:
        form = Form.accepted(",".join(request.headers.getall(hdrs.ACCEPT, [])))
        compressed = gzip_accepted(request.headers.get(hdrs.ACCEPT_ENCODING, ""))
        headers = {hdrs.CONTENT_TYPE: form.value, hdrs.VARY: "Accept, Accept-Encoding"}
        if compressed:
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(body=await self._pages.body(form, compressed=compressed), headers=headers)

    async def landing(self, _request: web.Request) -> web.Response:
        text = render_landing(self._watch.snapshot, time.time(), self._telemetry_path)
        return web.Response(text=text, content_type="text/html", headers=_HEADERS)

    async def healthy(self, _request: web.Request) -> web.Response:
        return web.Response(text="The exporter is healthy.\n")

    async def ready(self, _request: web.Request) -> web.Response:
        if self._watch.snapshot.has_run(CATALOG):
            return web.Response(text="The exporter is ready.\n")
        return web.Response(status=503, text="The catalog is being read for the first time.\n")

    async def reload(self, _request: web.Request) -> web.Response:
        problem = await self._reload()
        if problem:
            return web.Response(status=500, text=f"The old configuration stays in use:\n{problem}\n")
        return web.Response(text="The configuration was read.\n")


def render_landing(snapshot: Snapshot, now: float, telemetry_path: str) -> str:
    """A page for people: what is backed up, and what cannot be read."""
    body = "".join(_line(row) for row in status.rows(snapshot, now))
    problems = "".join(
        f"<li>{html.escape(name)}: {html.escape(health.error)}</li>"
        for name, health in snapshot.health.items()
        if health.error
    )
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>pgbackstop exporter</title>"
        f"<style>{_STYLE}</style><h1>pgbackstop exporter</h1>"
        f"<p><a href='{html.escape(telemetry_path)}'>Metrics</a></p>"
        "<table><tr><th>Plan</th><th>Database</th><th>Last success</th><th>Size</th><th>State</th></tr>"
        f"{body}</table>" + (f"<h2>Problems</h2><ul>{problems}</ul>" if problems else "") + "</html>\n"
    )


def _line(row: status.Row) -> str:
    age = f"{row.age} ago" if row.age != "never" else row.age
    cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in (row.plan, row.database, age, row.size))
    return f"<tr>{cells}<td class='{row.state}'>{row.state}</td></tr>"
