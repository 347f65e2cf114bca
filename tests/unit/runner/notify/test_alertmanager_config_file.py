"""The file of Alertmanager's configuration holds secrets: whose it is, and what may stand in its place."""

import os
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_runner.notify import alertmanager_config


def test_the_file_is_private_and_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "alertmanager.yml"
    path.write_text("old")
    path.chmod(0o644)
    alertmanager_config.write(path, "new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)
    link = tmp_path / "link.yml"
    link.symlink_to(path)
    alertmanager_config.write(link, "newer")
    assert (link.is_symlink(), path.read_text()) == (True, "newer")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["alertmanager.yml", "link.yml"]


@pytest.mark.root
def test_root_leaves_the_file_to_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "alertmanager.yml"
    path.write_text("old")
    os.chown(path, 65534, 65534)
    alertmanager_config.write(path, "new")
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)


@pytest.mark.parametrize("path", ["nowhere/alertmanager.yml", ".", "/dev/null"])
def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path, path: str) -> None:
    with pytest.raises(errors.PgbackstopError, match="cannot be written: "):
        alertmanager_config.write(tmp_path / path, "text")
    assert list(tmp_path.iterdir()) == []
