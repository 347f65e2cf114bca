"""Bytes on their way to a file, and back."""

import gzip
import hashlib
import io
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog.config.plan import Compression
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.system import compression as system_compression
from pgbackstop_runner.system import streams
from tests.support import accounts
from tests.support.backups import until

COMPRESSIONS = [
    Compression(),
    Compression(level=1, workers=0),
    Compression(method="gzip"),
    Compression(method="gzip", workers=0),
    Compression(method="none"),
]
CONTENT = b"".join(n.to_bytes(4) for n in range(700_000))


@pytest.mark.parametrize("compression", COMPRESSIONS, ids=str)
@pytest.mark.parametrize("content", [b"", b"one", CONTENT], ids=["empty", "short", "long"])
def test_there_and_back(tmp_path: Path, compression: Compression, content: bytes) -> None:
    path = tmp_path / f"file{system_compression.SUFFIXES[compression.method]}"
    heard: list[int] = []
    with streams.HashingFile(path) as file, system_compression.compressed(file, compression) as sink:
        source = io.BufferedReader(io.BytesIO(content))
        assert streams.pump(source, sink, heard.append) == len(content)
    stored = path.read_bytes()
    recorded = file.stored("name")
    assert (recorded.size_bytes, recorded.sha256) == (len(stored), hashlib.sha256(stored).hexdigest())
    assert streams.digest(path, "name") == recorded
    assert heard == sorted(heard)
    assert heard[-1:] == ([len(content)] if content else [])
    with system_compression.opened(path) as plain:
        assert plain.read() == content
    if path.suffix == ".gz":
        assert gzip.decompress(stored) == content


@pytest.mark.parametrize("compression", COMPRESSIONS[:3], ids=str)
def test_damage_is_noticed(tmp_path: Path, compression: Compression) -> None:
    path = tmp_path / f"file{system_compression.SUFFIXES[compression.method]}"
    with streams.HashingFile(path) as file, system_compression.compressed(file, compression) as sink:
        sink.write(CONTENT)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    path.write_bytes(damaged)
    with (
        pytest.raises(AttemptFailed, match="does not decompress") as caught,
        system_compression.opened(path) as plain,
    ):
        plain.read()
    assert caught.value.reason is Reason.CORRUPT


def test_never_over_another_file(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("kept")
    with pytest.raises(FileExistsError):
        streams.HashingFile(tmp_path / "there")
    assert (tmp_path / "there").read_text() == "kept"


@given(st.binary(max_size=200), st.integers(min_value=1, max_value=50))
def test_readable(content: bytes, size: int) -> None:
    reader = streams.Readable(io.BytesIO(content))
    found, buffer = b"", bytearray(size)
    while count := reader.readinto(buffer):
        found += buffer[:count]
    assert found == content


def test_digest_tree_and_size(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a", "in/b"):
        (tmp_path / name).write_text(name)
    found = streams.digest_tree(tmp_path, ["in/b", "a"])
    assert [each.path for each in found] == ["in/b", "a"]
    assert [each.sha256 for each in found] == [hashlib.sha256(name).hexdigest() for name in (b"in/b", b"a")]
    assert streams.tree_size(tmp_path) == 5
    assert streams.tree_size(tmp_path / "nowhere") == 0


def test_watching(tmp_path: Path) -> None:
    heard: list[int] = []
    with streams.watching(tmp_path, heard.append, seconds=0.01):
        (tmp_path / "file").write_bytes(bytes(100))
        until(lambda: 100 in heard, "the size")
    assert not [each for each in threading.enumerate() if each.name == "watching"]


@pytest.mark.parametrize("count", [0, 1, 7, 8, 15, 16, 1000])
def test_side_by_side_keeps_the_order(count: int) -> None:
    assert list(streams.side_by_side(lambda number: number * 2, range(count))) == list(range(0, count * 2, 2))


def test_side_by_side_raises_what_a_look_raises() -> None:
    def look(number: int) -> int:
        if number == 70:
            raise OSError(5, "Input/output error")
        return number

    found = streams.side_by_side(look, range(1000))
    with pytest.raises(OSError, match="Input/output error"):
        list(found)


def test_a_tree_of_many_files(tmp_path: Path) -> None:
    names = [f"{number}.dat" for number in range(300)]
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    found = streams.digest_tree(tmp_path, names)
    assert found == tuple(streams.digest(tmp_path / name, name) for name in names)
    (tmp_path / names[7]).unlink()
    with pytest.raises(FileNotFoundError):
        streams.digest_tree(tmp_path, names)


def test_pipes_stay_small_where_a_user_has_many() -> None:
    """The kernel grants a user without rights 64 MB of them: https://man7.org/linux/man-pages/man7/pipe.7.html"""
    own, ends = os.geteuid(), list[int]()
    os.seteuid(accounts.unprivileged().uid)
    try:
        for _ in range(80):
            ends += os.pipe()
            streams.widen(ends[-1])
    finally:
        os.seteuid(own)
        for each in ends:
            os.close(each)
