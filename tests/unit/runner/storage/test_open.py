"""Clients of buckets are made once, and anew where what they were made of has changed."""

from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.storage import S3Storage
from pgbackstop_runner.storage import open as storages


@pytest.fixture
def storage(tmp_path: Path) -> S3Storage:
    (tmp_path / "key").write_text("first")
    (tmp_path / "secret").write_text("secret")
    return S3Storage(
        kind="s3",
        bucket="b",
        access_key_id_file=tmp_path / "key",
        secret_access_key_file=tmp_path / "secret",
    )


def test_a_client_is_made_once(storage: S3Storage) -> None:
    assert storages.open_store("s3", storage) is storages.open_store("s3", storage.evolve())


def test_other_settings_are_another_client(storage: S3Storage) -> None:
    first = storages.open_store("s3", storage)
    assert storages.open_store("other", storage) is not first
    assert storages.open_store("s3", storage.evolve(prefix="there")) is not first


def test_new_keys_are_a_new_client(storage: S3Storage, tmp_path: Path) -> None:
    first = storages.open_store("s3", storage)
    (tmp_path / "new").write_text("second")
    (tmp_path / "new").replace(tmp_path / "key")
    assert storages.open_store("s3", storage) is not first


def test_a_key_that_is_gone_is_told(storage: S3Storage, tmp_path: Path) -> None:
    storages.open_store("s3", storage)
    (tmp_path / "key").unlink()
    with pytest.raises(errors.ConfigError, match="key"):
        storages.open_store("s3", storage)
