"""What is served over HTTP: the metrics, a small page for people, health, reload."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web
from prometheus_client.exposition import gzip_accepted

from pgbackstop_exporter.snapshot import CATALOG
from pgbackstop_exporter.supervisor import Supervisor
from pgbackstop_exporter.web import status_page
from pgbackstop_exporter.web.connections import track
from pgbackstop_exporter.web.exposition import Form
from pgbackstop_exporter.web.guard import Guard
from pgbackstop_exporter.web.page import MetricsPages
from pgbackstop_exporter.web.status_page import StatusPage

Reload = Callable[[], Awaitable[str]]


def make_app(
    watch: Supervisor, pages: MetricsPages, guard: Guard, reload: Reload, *, telemetry_path: str
) -> web.Application:
    """The application. Only the reload changes anything, and only what the exporter itself knows."""
    handlers = _Handlers(watch, pages, reload, telemetry_path)
    app = web.Application(middlewares=[track])
    guard.protect(app)
    app.router.add_get("/", handlers.landing)
    app.router.add_get(telemetry_path, handlers.metrics)
    app.router.add_get("/-/healthy", handlers.healthy)
    app.router.add_get("/-/ready", handlers.ready)
    app.router.add_post("/-/reload", handlers.reload)
    return app


class _Handlers:
    def __init__(self, watch: Supervisor, pages: MetricsPages, reload: Reload, telemetry_path: str) -> None:
        self._watch = watch
        self._pages = pages
        self._reload = reload
        self._landing = StatusPage(watch, telemetry_path)

    async def metrics(self, request: web.Request) -> web.Response:
        form = Form.accepted(",".join(request.headers.getall(hdrs.ACCEPT, [])))
        compressed = gzip_accepted(request.headers.get(hdrs.ACCEPT_ENCODING, ""))
        headers = {hdrs.CONTENT_TYPE: form.value, hdrs.VARY: "Accept, Accept-Encoding"}
        if compressed:
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(body=await self._pages.body(form, compressed=compressed), headers=headers)

    async def landing(self, _request: web.Request) -> web.Response:
        text = await self._landing.text()
        return web.Response(text=text, content_type="text/html", headers=status_page.HEADERS)

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
