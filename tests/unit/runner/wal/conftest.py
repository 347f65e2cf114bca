"""A server's archive and a storage that it is copied to, as a fixture."""

from pathlib import Path

import pytest

from tests.unit.runner.wal.copying import Copying


@pytest.fixture
def copying(tmp_path: Path) -> Copying:
    return Copying(tmp_path)
