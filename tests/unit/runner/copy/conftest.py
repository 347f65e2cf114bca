"""A plan whose backups are copied to a second storage."""

from pathlib import Path

import pytest

from pgbackstop_runner.workspace import Workspace
from tests.support import keys
from tests.support.keys import Keys
from tests.unit.runner import places


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    storages = {"second": {"kind": "folder", "path": tmp_path / "second"}}
    return places.workspace(tmp_path, copies=("second",), storages=storages)


@pytest.fixture
def second(tmp_path: Path) -> Path:
    return tmp_path / "second"


@pytest.fixture
def own(tmp_path: Path) -> Keys:
    return keys.generated(tmp_path / "keys")


@pytest.fixture
def sealed(tmp_path: Path, own: Keys) -> Workspace:
    """The second storage is encrypted, and this host cannot read it."""
    second = {"kind": "folder", "path": tmp_path / "second", "encryption": own.settings(reads=False)}
    return places.workspace(tmp_path, copies=("second",), storages={"second": second})
