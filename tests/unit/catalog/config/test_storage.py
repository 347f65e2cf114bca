"""Storages: an address that cannot be meant is told when the file is read, not at the first copy."""

from typing import Any

import pytest

from pgbackstop_catalog.config.storage import S3Storage


def bucket(**more: Any) -> S3Storage:
    return S3Storage(kind="s3", bucket="backups", **more)


@pytest.mark.parametrize(
    "endpoint",
    [
        "minio:9000",
        "ftp://minio",
        "https://",
        "https://minio:port",
        "https://[::1",
        "https://a b",
        "minio",
        "HTTP://minio",
    ],
)
def test_what_is_no_address(endpoint: str) -> None:
    with pytest.raises(ValueError, match="must be an address like https://"):
        bucket(endpoint=endpoint)


def test_a_key_does_not_stand_in_the_address() -> None:
    with pytest.raises(ValueError, match="a secret must not stand in this file"):
        bucket(endpoint="https://id:key@minio")


def test_an_endpoint_without_encryption_is_wanted_or_refused() -> None:
    with pytest.raises(ValueError, match="use https://, or set allow_http: true"):
        bucket(endpoint="http://minio:9000")
    assert bucket(endpoint="http://minio:9000", allow_http=True).endpoint == "http://minio:9000"
    assert bucket(endpoint="https://[::1]:9000").endpoint == "https://[::1]:9000"
    assert bucket().endpoint is None
