"""A storage in a folder passes the suite of all storages."""

from pathlib import Path

import pytest

from pgbackstop_runner.storage.folder import FolderStore
from tests.conformance.storage import StorageContract


class TestFolderStore(StorageContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> FolderStore:
        (tmp_path / "store").mkdir()
        return FolderStore(root=tmp_path / "store")
