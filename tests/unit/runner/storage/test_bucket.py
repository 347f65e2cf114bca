"""A bucket that answers without an end takes neither memory nor time."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from obstore.store import S3Store

from pgbackstop_catalog.records import codec
from pgbackstop_runner.storage import bucket
from pgbackstop_runner.storage.bucket import Bucket
from pgbackstop_runner.storage.protocol import StoreError

ENDLESS = 2**50


class Endless(BaseHTTPRequestHandler):
    """Says of every object how many bytes were put, and gives others until nobody reads on."""

    protocol_version = "HTTP/1.1"
    put_bytes = ENDLESS

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def do_PUT(self) -> None:
        type(self).put_bytes = int(self.headers["Content-Length"])
        self.rfile.read(self.put_bytes)
        self._head(0)

    def do_HEAD(self) -> None:
        self._head(self.put_bytes)

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self._head(ENDLESS, wanted.replace("=", " ") + f"/{ENDLESS}" if wanted else "")
        self.close_connection = True
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(bytes(2**16))

    def _head(self, length: int, part: str = "") -> None:
        self.send_response(206 if part else 200)
        if part:
            self.send_header("Content-Range", part)
        self.send_header("Content-Length", str(length))
        self.send_header("ETag", '"none of ours"')
        self.send_header("Last-Modified", "Sun, 22 Nov 2026 02:00:00 GMT")
        self.end_headers()


@pytest.fixture
def endless() -> Iterator[Bucket]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            store = S3Store(
                "backups",
                endpoint=f"http://127.0.0.1:{server.server_port}",
                region="here",
                access_key_id="id",
                secret_access_key="key",
                client_options={"allow_http": True},
                retry_config=bucket.RETRY,
            )
            yield Bucket(name="offsite", store=store, sender=store)
        finally:
            server.shutdown()
            thread.join()


def test_what_is_read_whole_has_a_limit(endless: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MOST_BYTES", 2**20)
    for read in (lambda: endless.read("catalog/backup.json"), endless.mark):
        with pytest.raises(StoreError, match="is larger than"):
            read()


def test_what_was_sent_is_read_back_no_further_than_it_was_sent(endless: Bucket) -> None:
    with pytest.raises(StoreError, match="holds other bytes than were sent"):
        endless.put(io.BytesIO(bytes(1000)), "shop.backup", 1000)


def test_of_a_part_no_more_is_taken_than_was_asked_for(endless: Bucket) -> None:
    with endless.open("shop.backup", 1000) as stored, pytest.raises(StoreError, match="of 1000 bytes"):
        stored.read()
