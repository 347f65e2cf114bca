"""A proxy that cuts connections after so many bytes."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass


@dataclass
class Cutter:
    """Stands before a server, and cuts each connection after so many bytes of what it answers."""

    target: tuple[str, int]
    left: int = 100_000

    @contextlib.contextmanager
    def cutting(self) -> Iterator[str]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=self._accept, args=(listener,))
            thread.start()
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                thread.join()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError), ThreadPoolExecutor(64) as pool:
            while True:
                pool.submit(self._serve, listener.accept()[0])

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self.target) as server, contextlib.suppress(OSError):
            asking = threading.Thread(target=_pass_on, args=(client, server, 2**40))
            asking.start()
            _pass_on(server, client, self.left)
            asking.join()


def _pass_on(source: socket.socket, target: socket.socket, left: int) -> None:
    with contextlib.suppress(OSError):
        while left > 0 and (chunk := source.recv(min(left, 65536))):
            target.sendall(chunk)
            left -= len(chunk)
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
