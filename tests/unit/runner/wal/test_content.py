"""Compressed, hashed, read back; damage is found."""

import hashlib
from pathlib import Path

import pytest

from pgbackstop_runner.wal import content

WHOLE = bytes(range(256)) * 3000
METHODS: list[content.Compression] = ["lz4", "zstd"]


def packed(tmp_path: Path, method: content.Compression) -> Path:
    source = tmp_path / "segment"
    source.write_bytes(WHOLE)
    target = tmp_path / f"segment{content.SUFFIXES[method]}"
    if method != "none":
        stored = content.compress(source, target, method)
        assert stored == content.stored(target)
    return target


@pytest.mark.parametrize("method", [*METHODS, "none"])
def test_content_is_read_back(tmp_path: Path, method: content.Compression) -> None:
    path = packed(tmp_path, method)
    assert content.split(path.name) == ("segment", method)
    assert content.digest(path) == (len(WHOLE), hashlib.sha256(WHOLE).hexdigest())
    assert content.length(path) == len(WHOLE)
    assert content.beginning(path, 300) == WHOLE[:300]
    assert content.beginning(path, 10**7) == WHOLE or method == "lz4"
    assert content.stored(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert content.ends_whole(path)


@pytest.mark.parametrize("method", METHODS)
def test_garbage_is_damage(tmp_path: Path, method: content.Compression) -> None:
    path = tmp_path / f"segment{content.SUFFIXES[method]}"
    path.write_bytes(b"garbage " * 1000)
    for read in (content.digest, content.length, lambda path: content.beginning(path, 40)):
        with pytest.raises(content.Damaged, match="does not decompress"):
            read(path)


def test_a_cut_off_frame_is_noticed_at_its_end(tmp_path: Path) -> None:
    path = packed(tmp_path, "lz4")
    for cut in (1, 4, 9, 1000):
        path.write_bytes(path.read_bytes()[:-cut])
        assert not content.ends_whole(path)
    path.write_bytes(b"")
    assert not content.ends_whole(path)
    with pytest.raises(content.Damaged):
        content.digest(packed(tmp_path, "lz4").with_name("segment.lz4").rename(tmp_path / "x.zst"))


def test_a_failed_compression_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        content.compress(tmp_path / "absent", tmp_path / "target", "zstd")
    assert list(tmp_path.iterdir()) == []
