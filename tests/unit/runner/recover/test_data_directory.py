"""Places that cannot be used are refused in a sentence."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_runner.recover import data_directory
from pgbackstop_runner.recover.data_directory import DataDirectory
from tests.support import accounts, factories
from tests.unit.runner import places

BACKUP = factories.backup(1, factories.NOW, backup_type="physical", plan="main-physical")


@contextmanager
def stepped_down() -> Iterator[None]:
    """As somebody whom folders may keep out, in this process."""
    before = os.geteuid()
    os.seteuid(accounts.unprivileged().uid)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.mark.parametrize("name", ["x" * 300, "closed/data", "closed/data/further"])
def test_what_may_not_be_looked_at(tmp_path: Path, name: str) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    opened = places.workspace(tmp_path)
    with stepped_down(), pytest.raises(errors.ValidationError, match="cannot be used: "):
        data_directory.check(DataDirectory(data=tmp_path / name, tablespaces={}), opened, BACKUP)


def test_a_circle_of_links(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(errors.ValidationError, match="cannot be used: "):
        data_directory.check(
            DataDirectory(data=tmp_path / "circle", tablespaces={}), places.workspace(tmp_path), BACKUP
        )
