"""Clients that connect and say what they are told, and no more."""

import contextlib
import socket
from collections.abc import Iterator

DEADLINE = 120.0  # seconds; only what is broken ever takes so long


@contextlib.contextmanager
def crowd(
    port: int, count: int, *, source: str = "127.0.0.1", said: bytes = b""
) -> Iterator[list[socket.socket]]:
    """That many connections from ``source``; one may be cut before it has said all."""
    with contextlib.ExitStack() as all_of_them:
        opened = []
        for _ in range(count):
            one = socket.create_connection(("127.0.0.1", port), DEADLINE, (source, 0))
            opened.append(all_of_them.enter_context(one))
            with contextlib.suppress(ConnectionError):
                one.sendall(said)
        yield opened


def is_closed(one: socket.socket) -> bool:
    """Whether the other end closes it, within the deadline."""
    one.settimeout(DEADLINE)
    try:
        while one.recv(4096):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True
