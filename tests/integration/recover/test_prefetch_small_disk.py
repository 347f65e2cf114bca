"""restore-wal.sh on a disk that has little room: nothing is unpacked ahead, and no half is given."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.recover.prefetching import (
    AHEAD,
    PACK,
    SHELLS,
    SIZE,
    an_asker,
    cared_for,
    fill,
    name_of,
)
from tests.support import places

pytestmark = pytest.mark.root


@contextlib.contextmanager
def small_disk(kilobytes: int) -> Iterator[Path]:
    folder = places.make()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        places.remove(folder)


def filled(folder: Path, *, left: int = 0) -> Path:
    """A file that takes all of the disk but ``left`` bytes."""
    other = folder / "other"
    with other.open("wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        file.truncate(file.tell() - left)
    return other


def test_a_small_disk_is_left_to_the_replay(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    fill(archive, ".lz4")
    with small_disk(SIZE * AHEAD * 2 // 1024) as folder, cared_for(an_asker(folder, archive)) as asker:
        asker.gets(1)
        asker.idle()
        assert asker.ready() == []
        other = filled(folder)
        status, found, said = asker.ask(name_of(2))
        assert (status, found) == (126, None)
        assert "cannot unpack" in said
        assert asker.unpacked() == []
        other.unlink()
        asker.gets(2)


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("shell", SHELLS)
def test_the_newest_segment_is_not_cut_by_a_full_disk(tmp_path: Path, suffix: str, shell: str) -> None:
    """It may end early: what the disk has no room for must not look like that."""
    fill(tmp_path / "archive", suffix, count=1)
    name = name_of(1)
    receiving = tmp_path / "archive" / "receiving" / f"{name}{suffix}.partial"
    receiving.parent.mkdir()
    next((tmp_path / "archive" / name[:16]).iterdir()).rename(receiving)
    with (
        small_disk(SIZE * 4 // 1024) as folder,
        cared_for(an_asker(folder, tmp_path / "archive", shell)) as asker,
    ):
        other = filled(folder, left=SIZE // 4)
        status, found, said = asker.ask(name)
        assert (status, found) == (126, None)
        assert "restore-wal.sh: cannot write" in said
        assert asker.unpacked() == []
        other.unlink()
        asker.gets(1)
