"""Folders in which others' code has run are removed whole, and nothing else is."""

import errno
import os
from pathlib import Path

import pytest

from pgbackstop_runner.system import files
from tests.support import places


def test_whatever_is_in_it_is_removed(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    outside.mkdir()
    (outside / "kept").touch()
    places.nest(folder_with(folder, "deep"))
    (folder / "link").symlink_to(outside)
    (folder / "deep" / "link").symlink_to(outside)
    os.mkfifo(folder / "pipe")
    for mode in (0o000, 0o300, 0o500):
        closed = folder_with(folder, f"closed-{mode:o}")
        folder_with(closed, "inner").chmod(mode)
        (closed / "file").touch()
        closed.chmod(mode)
    files.remove_strange_tree(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["outside"]
    assert (outside / "kept").exists()


def folder_with(parent: Path, name: str) -> Path:
    made = parent / name
    made.mkdir(parents=True)
    return made


def test_a_link_in_its_place_leads_nowhere(tmp_path: Path) -> None:
    folder_with(tmp_path, "outside").joinpath("kept").touch()
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="link") as refused:
        files.remove_strange_tree(tmp_path / "link")
    assert refused.value.errno in {errno.ELOOP, errno.ENOTDIR}
    assert (tmp_path / "outside" / "kept").exists()
