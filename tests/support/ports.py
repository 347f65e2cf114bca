"""Ports of loopback for servers that tests start."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

_SPAN = 1500
_LOWEST = 10_000
_WORKERS = 8


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
