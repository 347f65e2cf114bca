"""A zstd file is whole where it ends with its last frame, and nowhere else."""

from pathlib import Path

import pytest
import zstandard

from pgbackstop_runner.formats import zstd_frames

PLAIN = bytes(range(256)) * 2000 + b"\0" * 400_000
SKIPPABLE = (0x184D2A53).to_bytes(4, "little") + (5).to_bytes(4, "little") + b"hello"


def compressed(*, checksum: bool = True, sized: bool = True, threads: int = 0) -> bytes:
    compressor = zstandard.ZstdCompressor(write_checksum=checksum, write_content_size=sized, threads=threads)
    return compressor.compress(PLAIN)


def streamed() -> bytes:
    writer = zstandard.ZstdCompressor().compressobj()
    parts = [writer.compress(PLAIN[:1000]), writer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)]
    return b"".join([*parts, writer.compress(PLAIN), writer.flush()])


@pytest.mark.parametrize(
    "content",
    [
        compressed(),
        compressed(checksum=False),
        compressed(sized=False),
        compressed(threads=2),
        streamed(),
        zstandard.ZstdCompressor().compress(b""),
        compressed() + SKIPPABLE + compressed(checksum=False),
    ],
)
def test_whole_and_cut_at_every_place(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.zst"
    path.write_bytes(content)
    assert zstd_frames.is_whole(path)
    whole = {0, len(content)}
    for frame in (compressed(), compressed() + SKIPPABLE):
        if content.startswith(frame):
            whole.add(len(frame))
    for length in {*range(40), *range(len(content) - 40, len(content)), *range(0, len(content), 97)}:
        if 0 <= length < len(content) and length not in whole:
            path.write_bytes(content[:length])
            assert not zstd_frames.is_whole(path), length


@pytest.mark.parametrize("content", [b"", b"\x28", b"no frame at all, but long enough", compressed() + b"x"])
def test_no_frame(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.zst"
    path.write_bytes(content)
    assert not zstd_frames.is_whole(path)
