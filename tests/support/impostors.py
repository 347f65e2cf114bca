"""What speaks PostgreSQL's protocol and is none: as somebody would put it in the place of a server.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

Conversation = Callable[[socket.socket], None]
AUTHENTICATED = b"R" + struct.pack("!ii", 8, 0)
ASKS_FOR_CLEAR_TEXT = b"R" + struct.pack("!ii", 8, 3)
READY = b"Z" + struct.pack("!i", 5) + b"I"


def error(words: str) -> bytes:
    """A FATAL error that says so."""
    fields = b"SFATAL\0VFATAL\0C28000\0M" + words.encode() + b"\0\0"
    return b"E" + struct.pack("!i", len(fields) + 4) + fields


@contextlib.contextmanager
def listening(converse: Conversation) -> Iterator[int]:
    """The port at which each connection is talked to like that, after "no TLS" and the start-up packet."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_accept, args=(server, converse), daemon=True).start()
        yield server.getsockname()[1]


@contextlib.contextmanager
def listening_in(folder: Path, converse: Conversation) -> Iterator[int]:
    """The same at a socket with a path in the folder, as PostgreSQL calls it."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / ".s.PGSQL.5432"))
        server.listen()
        threading.Thread(target=_accept, args=(server, converse), daemon=True).start()
        yield 5432


def _accept(server: socket.socket, converse: Conversation) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = server.accept()
            threading.Thread(target=_serve, args=(client, converse), daemon=True).start()


def _serve(client: socket.socket, converse: Conversation) -> None:
    with client, contextlib.suppress(OSError, struct.error):
        while True:
            (length,) = struct.unpack("!i", client.recv(4, socket.MSG_WAITALL))
            packet = client.recv(length - 4, socket.MSG_WAITALL)
            if packet[:4] not in (struct.pack("!i", 80877103), struct.pack("!i", 80877104)):
                break
            client.sendall(b"N")  # neither TLS nor GSSAPI
        converse(client)
