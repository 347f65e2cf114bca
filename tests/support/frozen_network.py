"""A TCP proxy that can be frozen: connections stay, and nothing passes, as behind a broken switch."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class FreezableProxy:
    """Stands before a server on a port of its own, and passes on until it is frozen."""

    target: tuple[str, int]
    port: int = 0
    _thawed: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)
    _sockets: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def freeze(self) -> None:
        """Let nothing pass any more; nobody is told."""
        self._thawed.clear()

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Listen until the block ends."""
        self._thawed.set()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            accepting = threading.Thread(target=self._accept, args=(listener,))
            accepting.start()
            try:
                yield
            finally:
                self._ended.set()
                self._thawed.set()
                listener.shutdown(socket.SHUT_RDWR)
                accepting.join()
                self._close()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = listener.accept()[0]
                self._sockets.append(client)
                server = socket.create_connection(self.target)
                self._sockets.append(server)
                for ends in ((client, server), (server, client)):
                    passing = threading.Thread(target=self._pass_on, args=ends)
                    passing.start()
                    self._threads.append(passing)

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                self._thawed.wait()
                target.sendall(chunk)
        if not self._ended.is_set():
            self._thawed.wait()  # that one end has closed is not heard at the other
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def _close(self) -> None:
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for passing in self._threads:
            passing.join()
        for each in self._sockets:
            each.close()
