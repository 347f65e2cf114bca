"""Listens, and goes by the web configuration file as it is now.

The listening sockets stay open for the exporter's life: after a change what they accept is served with a new
TLS context, and no connection is refused or cut meanwhile.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from aiohttp import web

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import web_config, web_tls
from pgbackstop_catalog.config.web_config import WebConfig
from pgbackstop_exporter import log, threads
from pgbackstop_exporter.web.guard import Guard
from pgbackstop_exporter.web.listener import Listener, bind

Address = tuple[str | None, int]
Stamp = tuple[tuple[int, int, int], ...]
LOOK_SECONDS: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class Rules:
    """A web configuration that is ready for use. ``stamp`` tells whether its files have changed since."""

    config: WebConfig
    stamp: Stamp
    context: ssl.SSLContext | None = None
    warning: str = ""


def read_rules(path: Path) -> Rules:
    """The rules of the file and of the files it names. Raises ConfigError."""
    # The stamps come first: a file that is replaced while it is read is then read again.
    stamp = _stamp(path)
    config = web_config.load(path)
    tls = config.tls_server_config
    if tls is None:
        return Rules(config=config, stamp=stamp)
    stamp += _stamp(*tls.files)
    try:
        made, warning = web_tls.context(tls), web_tls.trial(tls)
    except errors.ConfigError as error:
        raise errors.ConfigError(f"{path}: {error.problem}", remedy=error.remedy) from error
    return Rules(config=config, context=made, warning=warning, stamp=stamp)


class WebServer:
    """Serves an application; ``report`` hears whether the web configuration could last be read."""

    def __init__(
        self, runner: web.AppRunner, guard: Guard, path: Path | None, report: Callable[[bool], None]
    ) -> None:
        self._guard = guard
        self._path = path
        self._report = report
        self._rules = Rules(config=WebConfig(), stamp=())
        self._problem = ""
        self._listener = Listener(runner, lambda: self._rules.context)
        self._reading = asyncio.Lock()

    async def listen(self, addresses: Sequence[Address]) -> None:
        """Start to serve. Raises ConfigError for the file, PgbackstopError for an address."""
        rules = read_rules(self._path) if self._path else self._rules
        sockets = [each for host, port in addresses for each in await bind(host, port)]
        self._listener.start(sockets)
        self._use(rules)
        for each in sockets:
            log.info("listening", address=_text(each), tls=rules.context is not None)

    def close(self) -> None:
        """Accept no more connections; those that are open are the runner's to end."""
        self._listener.close()

    async def loop(self) -> None:
        """Read the files again whenever one of them changed, for ever."""
        while self._path:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                if bool(self._problem) or await threads.run(self._has_changed, name="web"):
                    await self.reload()
            except Exception as error:
                log.bug("the web configuration could not be looked at", error)

    async def reload(self) -> str:
        """Read the files again; what is wrong with them, or nothing. Broken ones change nothing."""
        if self._path is None:
            return ""
        async with self._reading:
            try:
                self._use(await threads.run(partial(read_rules, self._path), name="web"))
            except (errors.ConfigError, OSError) as error:
                self._failed(str(error))
            except Exception as error:
                log.seldom("the web configuration could not be read", error=error)
                self._failed(f"The web configuration could not be read: {errors.one_line(error)}.")
            else:
                self._problem = ""
                self._report(True)
                log.info("read the web configuration", file=self._path)
        return self._problem

    def _failed(self, problem: str) -> None:
        if problem != self._problem:
            log.warning("kept the old web configuration", problem=problem)
        self._problem = problem
        self._report(False)

    def _has_changed(self) -> bool:
        tls = self._rules.config.tls_server_config
        files = [] if self._path is None else [self._path, *(tls.files if tls else ())]
        return _stamp(*files) != self._rules.stamp

    def _use(self, rules: Rules) -> None:
        """Connections that are accepted from now on have the new TLS; none is refused or cut meanwhile."""
        self._rules = rules
        self._guard.use(rules.config)
        self._warn()

    def _warn(self) -> None:
        if self._rules.warning:
            log.warning("clients will refuse the certificate", problem=self._rules.warning)
        for each in self._listener.sockets:
            problem = exposure(self._rules.config, each.getsockname()[0])
            if problem:
                log.warning("open to the network", address=_text(each), problem=problem)


def exposure(config: WebConfig, host: str) -> str:
    """What a listener on ``host`` gives to everybody who reaches it; empty when nothing, or on loopback."""
    tls = config.tls_server_config
    if ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        return ""
    if tls is None and config.basic_auth_users:
        return "passwords and metrics cross the network unencrypted; add tls_server_config"
    if not config.basic_auth_users and (tls is None or tls.client_auth_type != "RequireAndVerifyClientCert"):
        return "everybody may read the metrics; see --web.config.file for passwords and client certificates"
    return ""


def _text(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _stamp(*paths: Path) -> Stamp:
    return tuple(map(_file_stamp, paths))


def _file_stamp(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0, 0)
    return (status.st_ino, status.st_mtime_ns, status.st_size)
