"""Ports of loopback for servers that tests start."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
STARTS = 3
_SPAN = 1500
_LOWEST = 10_000
_WORKERS = 8


class NotStarted(AssertionError):
    """A server ended before it answered; with its last words."""


def started(start: Callable[[], T]) -> T:
    """What ``start`` returns, which takes new ports each time: a neighbour may take one before its server.

    Raises NotStarted where the last one of several does.
    """
    for _ in range(STARTS - 1):
        with contextlib.suppress(NotStarted):
            return start()
    return start()


def free() -> int:
    """A port where nobody listens, and that nobody takes before the server of this test does.

    It lies below those that the kernel gives to connections, and among those of this worker alone. None comes
    twice while there are others.
    """
    for _ in range(_SPAN):
        port = next(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError(f"No port of {_SPAN} is free.")


def _ours() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    lowest = max(1024, min(_LOWEST, _lowest_of_connections() - _WORKERS * _SPAN))
    first = lowest + worker * _SPAN
    # Another run of the tests on this machine hardly begins at the same one.
    start = os.getpid() % _SPAN
    while True:
        for offset in range(_SPAN):
            yield first + (start + offset) % _SPAN


def _lowest_of_connections() -> int:
    """https://docs.kernel.org/networking/ip-sysctl.html"""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return 32_768


_PORTS = _ours()
