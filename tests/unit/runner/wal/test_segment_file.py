"""Compressed, hashed, read back; damage is found."""

import hashlib
from pathlib import Path

import pytest

from pgbackstop_runner.wal import segment_file

WHOLE = bytes(range(256)) * 3000
METHODS: list[segment_file.Compression] = ["lz4", "zstd"]


def packed(tmp_path: Path, method: segment_file.Compression) -> Path:
    source = tmp_path / "segment"
    source.write_bytes(WHOLE)
    target = tmp_path / f"segment{segment_file.SUFFIXES[method]}"
    if method != "none":
        stored = segment_file.compress(source, target, method)
        assert stored == segment_file.stored(target)
    return target


@pytest.mark.parametrize("method", [*METHODS, "none"])
def test_content_is_read_back(tmp_path: Path, method: segment_file.Compression) -> None:
    path = packed(tmp_path, method)
    assert segment_file.split(path.name) == ("segment", method)
    assert segment_file.digest(path) == (len(WHOLE), hashlib.sha256(WHOLE).hexdigest())
    assert segment_file.length(path) == len(WHOLE)
    assert segment_file.beginning(path, 300) == WHOLE[:300]
    assert segment_file.beginning(path, 10**7) == WHOLE or method == "lz4"
    assert segment_file.stored(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert segment_file.ends_whole(path)


@pytest.mark.parametrize("method", METHODS)
def test_garbage_is_damage(tmp_path: Path, method: segment_file.Compression) -> None:
    path = tmp_path / f"segment{segment_file.SUFFIXES[method]}"
    path.write_bytes(b"garbage " * 1000)
    for read in (segment_file.digest, segment_file.length, lambda path: segment_file.beginning(path, 40)):
        with pytest.raises(segment_file.Damaged, match="does not decompress"):
            read(path)


def test_a_cut_off_frame_is_noticed_at_its_end(tmp_path: Path) -> None:
    path = packed(tmp_path, "lz4")
    for cut in (1, 4, 9, 1000):
        path.write_bytes(path.read_bytes()[:-cut])
        assert not segment_file.ends_whole(path)
    path.write_bytes(b"")
    assert not segment_file.ends_whole(path)
    path.unlink()
    with pytest.raises(segment_file.Damaged):
        segment_file.digest(packed(tmp_path, "lz4").rename(tmp_path / "x.zst"))


def test_a_failed_compression_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        segment_file.compress(tmp_path / "absent", tmp_path / "target", "zstd")
    assert list(tmp_path.iterdir()) == []
