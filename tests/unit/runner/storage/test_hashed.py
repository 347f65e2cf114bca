"""A stream knows what was read from it, and is hashed once, however many look at it."""

import hashlib
import io
from functools import partial
from pathlib import Path

from pgbackstop_catalog.records.backup import StoredFile
from pgbackstop_runner.storage import hashed, original
from pgbackstop_runner.storage.protocol import Sent

CONTENT = bytes(range(256)) * 20_000


def told(content: bytes) -> Sent:
    return Sent(len(content), hashlib.sha256(content).hexdigest())


def test_it_knows_what_was_read_in_pieces_of_any_size() -> None:
    for piece in (1000, 2**20, -1):
        stream = hashed.reader(io.BytesIO(CONTENT))
        assert b"".join(iter(partial(stream.read, piece), b"")) == CONTENT
        assert stream.all_read() == told(CONTENT)


def test_an_original_is_not_hashed_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    size, sha256 = told(CONTENT)
    with original.opened(
        tmp_path / "file", StoredFile(path="file", size_bytes=size, sha256=sha256)
    ) as stream:
        assert hashed.reader(stream) is stream
        assert stream.read() == CONTENT
        assert hashed.reader(stream).all_read() == told(CONTENT)


def test_the_source_stays_open() -> None:
    source = io.BytesIO(CONTENT)
    with hashed.reader(source) as stream:
        stream.read(10)
    assert not source.closed
