"""The command ``pgbackstop-exporter``.

argparse, not typer: the flags are named as the ecosystem's exporters name theirs, with dots, and typer
would cost the exporter megabytes for a handful of them.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import os
import re
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from aiohttp import web

import pgbackstop_catalog
from pgbackstop_catalog import errors
from pgbackstop_catalog.config import locate
from pgbackstop_exporter import log, reference, supervisor
from pgbackstop_exporter.supervisor import Supervisor
from pgbackstop_exporter.web.app import Reload, make_app
from pgbackstop_exporter.web.guard import Guard
from pgbackstop_exporter.web.page import MetricsPages
from pgbackstop_exporter.web.server import Address, WebServer

_PATH: Final = re.compile(r"(/[A-Za-z0-9._~-]+)+")
DEFAULT_ADDRESS: Final = "127.0.0.1:9853"
_M_TRIM_THRESHOLD: Final = -1
_M_ARENA_MAX: Final = -8


def run(arguments: Sequence[str] | None = None) -> None:
    """Run the command; ends the process with an exit code of ``pgbackstop_catalog.errors``."""
    options = parser().parse_args(arguments)
    if options.command == "metrics":
        sys.stdout.write(reference.as_text())
        return
    _be_small()
    try:
        asyncio.run(_serve(options))
    except errors.PgbackstopError as error:
        sys.stderr.write(f"pgbackstop-exporter: {error}\n")
        sys.exit(error.exit_code)
    # A thread that hangs in a disk may hold a lock of standard error, at which Python's own end would abort.
    sys.stdout.flush()
    os._exit(0)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(
        prog="pgbackstop-exporter",
        description="Serves the age, size, duration and proof of PostgreSQL backups, and free disk space, "
        "to Prometheus. Reads only.",
        epilog="Exit codes: "
        + ", ".join(f"{code} {meaning}" for code, meaning in errors.EXIT_CODES if code in {0, 1, 2})
        + ".",
    )
    found.add_argument("--version", action="version", version=pgbackstop_catalog.__version__)
    add = found.add_argument
    add(
        "--web.listen-address",
        dest="addresses",
        action="append",
        metavar="HOST:PORT",
        help=f"{DEFAULT_ADDRESS} when left out; repeatable",
    )
    add(
        "--web.config.file",
        dest="web_config",
        type=Path,
        metavar="FILE",
        help="TLS, client certificates and passwords, in the format of Prometheus' exporters",
    )
    add("--web.telemetry-path", dest="path", default="/metrics", metavar="PATH", help="%(default)s")
    add("--config.file", dest="config", type=Path, metavar="FILE", help="the configuration of pgbackstop")
    add("--log.level", dest="level", choices=log.LEVELS, help="as in the configuration when left out")
    add("--log.format", dest="format", choices=log.FORMATS, help="as in the configuration when left out")
    commands = found.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("metrics", help="print every metric with its labels and meaning, and end")
    return found


def listen_address(text: str) -> Address:
    """Host and port of ``127.0.0.1:9853``, ``[::1]:9853``; ``:9853`` is every address. Raises ConfigError."""
    host, colon, port = text.rpartition(":")
    is_port = port.isdecimal() and len(port) <= 5 and int(port) <= 65535
    if not colon or not is_port or (":" in host and not host.startswith("[")):
        raise errors.ConfigError(
            f"{text[:100]!r} is no address to listen on.", remedy=f"Write it like {DEFAULT_ADDRESS}."
        )
    return host.strip("[]") or None, int(port)


def telemetry_path(text: str) -> str:
    """The path of the metrics. Raises ConfigError for one that no client asks for, or that is taken."""
    if not _PATH.fullmatch(text) or text == "/" or text.startswith("/-/"):
        raise errors.ConfigError(
            f"--web.telemetry-path cannot be {text[:100]!r}.",
            remedy="Write it like /metrics: letters, digits, . _ ~ - and /, and no path of ours (/, /-/…).",
        )
    return text


async def _serve(options: argparse.Namespace) -> None:
    addresses = [listen_address(each) for each in options.addresses or (DEFAULT_ADDRESS,)]
    served_at = telemetry_path(options.path)
    path = locate.find(options.config)
    settings = supervisor.read_settings(path)
    log.configure(
        level=options.level or settings.config.log.level, style=options.format or settings.config.log.format
    )
    watched = Supervisor(path, settings)
    pages, guard = MetricsPages(watched), Guard()

    async def reload() -> str:
        return "\n".join(filter(None, (await watched.reload(), await server.reload())))

    app = make_app(watched, pages, guard, reload, telemetry_path=served_at)
    runner = web.AppRunner(app, access_log=None)
    server = WebServer(runner, guard, options.web_config, watched.web_was_read)
    asyncio.get_running_loop().set_exception_handler(_on_error)
    ended = asyncio.Event()
    _on_signals(reload, ended)
    await runner.setup()
    await server.listen(addresses)
    _tell_systemd()
    _be_responsive()
    watched.start()
    working = [asyncio.create_task(pages.loop()), asyncio.create_task(server.loop())]
    try:
        await ended.wait()
    finally:
        for task in working:
            task.cancel()
        server.close()
        await watched.stop()
        await runner.cleanup()


def _tell_systemd() -> None:
    """That it is ready, where somebody waits for that.

    https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel, suppress(OSError):
        channel.sendto(b"READY=1", "\0" + address[1:] if address.startswith("@") else address)


def _be_small() -> None:
    """One heap for all threads, given back when it is free; nothing happens where the C library is not glibc.

    Else glibc keeps a heap for each thread that built a page or read records: 30 MB for a thousand plans.
    https://www.gnu.org/software/libc/manual/html_node/Malloc-Tunable-Parameters.html
    """
    with suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_TRIM_THRESHOLD, 128 * 1024)


def _be_responsive() -> None:
    """A scrape waits for the interpreter while a thread builds a page: for 1 ms a turn, not for 5.

    And what was imported is garbage never again, so that no collection of garbage looks at it.
    """
    sys.setswitchinterval(0.001)
    gc.collect()
    gc.freeze()


def _on_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    log.seldom("the event loop met an error", error=context.get("exception"), problem=context.get("message"))


def _on_signals(read_again: Reload, ended: asyncio.Event) -> None:
    """SIGHUP reads the configurations again, SIGTERM and SIGINT end the exporter."""
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[None]] = set()

    async def report() -> None:
        await read_again()  # what is wrong was logged

    def reload() -> None:
        task = asyncio.create_task(report())
        reloads.add(task)  # the loop itself holds tasks only weakly
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)


if __name__ == "__main__":
    run()
