"""Looking into a base backup as it is stored."""

from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_runner.formats import base_backup_files
from pgbackstop_runner.storage.stored_backup import StoredBackup
from tests.support import factories


def test_a_record_without_the_data_directory_is_a_damaged_backup(tmp_path: Path) -> None:
    source = StoredBackup(backup=factories.backup(1, factories.NOW).evolve(files=()), folder=tmp_path)
    with pytest.raises(errors.CatalogError, match=r"base\.tar is damaged: it is not among"):
        base_backup_files.small_files(source, {"postgresql.conf"}, 100)
