"""What is fetched lies in a folder that is swept once its process is gone, and never before."""

import tempfile
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_runner.copy import run
from pgbackstop_runner.storage import fetched
from tests.unit.runner import places


def test_a_sweep_of_another_catalog_leaves_a_folder_that_is_just_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They share drill_folder, or /var/tmp, and no lock of theirs."""
    room = tmp_path / "room"
    room.mkdir()
    storages = {"second": {"kind": "folder", "path": tmp_path / "second"}}
    mine, other = (
        places.workspace(tmp_path / name, copies=("second",), storages=storages, drill_folder=room)
        for name in ("mine", "other")
    )
    (backup,) = places.days(mine, 1)
    run.run(mine, "main-logical")
    real = tempfile.mkdtemp

    def swept_at_once(**options: Any) -> str:
        made = str(real(**options))
        fetched.sweep(other)
        return made

    monkeypatch.setattr(tempfile, "mkdtemp", swept_at_once)
    with fetched.folder(mine, backup, "second") as (made, listed):
        fetched.sweep(other)
        assert made.parent == room
        assert [(made / each.path).stat().st_size for each in listed] == [backup.size_bytes]
    assert list(room.iterdir()) == []
