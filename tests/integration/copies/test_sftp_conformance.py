"""A folder of a real SFTP server passes the suite of all storages."""

from pathlib import Path

import pytest

from pgbackstop_runner.storage.sftp import SftpStore
from tests.conformance.storage import StorageContract
from tests.support.sftp_server import SftpServer


class TestSftpStore(StorageContract):
    @pytest.fixture
    def store(self, sftp: SftpServer, tmp_path: Path) -> SftpStore:
        return SftpStore.connect("sftp", sftp.storage(f"files/{tmp_path.name}"))
