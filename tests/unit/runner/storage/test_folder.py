"""A storage in a folder passes the suite of all storages."""

from pathlib import Path

import pytest

from pgbackstop_runner.storage.folder import FolderStore
from pgbackstop_runner.storage.protocol import StoreError
from tests.conformance.storage import StorageContract
from tests.support import places


class TestFolderStore(StorageContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> FolderStore:
        (tmp_path / "store").mkdir()
        return FolderStore(root=tmp_path / "store")


def test_no_empty_folder_stays(tmp_path: Path) -> None:
    """A dump in the directory format has a folder of its own inside the backup's."""
    store = FolderStore(root=tmp_path)
    paths = ["main/shop/1/backup.json", "main/shop/1/SHA256SUMS", "main/shop/1/dump/toc.dat", "main/other"]
    for path in paths:
        store.put_bytes(b"x", path)
    store.remove(paths[:3])
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["main", "main/other"]


def test_folders_nested_without_end_cost_themselves(tmp_path: Path) -> None:
    """Who can write to a storage can make them, and they are none of a backup's."""
    store = FolderStore(root=tmp_path)
    store.put_bytes(b"x", "main/backup.json")
    places.nest(tmp_path / "main")
    try:
        assert list(store.files("main")) == [("main/backup.json", 1)]
    finally:
        places.remove_nest(tmp_path / "main")


@pytest.mark.parametrize("path", ["../outside", "/outside", "a/../../outside", "link/file", "link"])
def test_a_folder_store_stays_inside(tmp_path: Path, path: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(outside)
    store = FolderStore(root=root)
    with pytest.raises(StoreError):
        store.put_bytes(b"", path)
    with pytest.raises(StoreError):
        store.remove([path])
    assert list(outside.iterdir()) == []
    assert outside.is_dir()
