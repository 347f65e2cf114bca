"""A bucket of a real S3 server passes the suite of all storages."""

import pytest

from pgbackstop_catalog.config.storage import S3Storage
from pgbackstop_runner.storage import s3
from pgbackstop_runner.storage.bucket import Bucket
from tests.conformance.storage import StorageContract


class TestS3Bucket(StorageContract):
    @pytest.fixture
    def store(self, storage: S3Storage) -> Bucket:
        return s3.connect("s3", storage)
