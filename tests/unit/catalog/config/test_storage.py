"""Storages: an address that cannot be meant is told when the file is read, not at the first copy."""

from typing import Any

import pytest

from pgbackstop_catalog.config.storage import AzureStorage, GcsStorage, S3Storage, SftpStorage


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


HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPiQb8zQvuYBCjPlLWnm1xD6VMn4oY2ggQrYVLkV3Cqz"


def sftp(**more: Any) -> SftpStorage:
    wanted = {
        "kind": "sftp",
        "host": "backup.example.com",
        "user": "backup",
        "folder": "backups",
        "host_keys": [HOST_KEY],
        "key_file": "/key",
    }
    return SftpStorage.model_validate({**wanted, **more})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"host": "sftp://backup"}, "name or address alone"),
        ({"host": "me@backup"}, "name or address alone"),
        ({"host": ""}, "name or address alone"),
        ({"user": "me@backup"}, "name of an account"),
        ({"user": ""}, "name of an account"),
        ({"port": 0}, "greater than or equal to 1"),
        ({"folder": ""}, "must be a folder"),
        ({"folder": "~/backups"}, "must be a folder"),
        ({"folder": "a/../../b"}, "must be a folder"),
        ({"host_keys": []}, "which server is meant"),
        ({"known_hosts_file": "/known"}, "which server is meant"),
        ({"host_keys": ["SHA256:abc"]}, "must be a public key"),
        ({"host_keys": [HOST_KEY.replace("ssh-ed25519", "ssh-rsa")]}, "must be a public key"),
        ({"host_keys": ["ssh-ed25519 !"]}, "must be a public key"),
        ({"host_keys": [""]}, "must be a public key"),
        ({"key_file": None}, "how to log in"),
        ({"password_file": "/password"}, "how to log in"),
    ],
)
def test_what_an_sftp_server_cannot_be_told(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        sftp(**changes)


def test_an_sftp_server_has_a_place() -> None:
    assert sftp().place == "sftp://backup@backup.example.com:22/~/backups"
    assert sftp(folder="/srv/pg", port=2222).place == "sftp://backup@backup.example.com:2222/srv/pg"
    assert sftp(host="2001:db8::1", host_keys=[f"{HOST_KEY} a comment"]).encryption is None


@pytest.mark.parametrize(
    ("endpoint", "checksum", "used"),
    [
        (None, None, "sha256"),
        ("https://s3.eu-central-1.amazonaws.com", None, "sha256"),
        ("https://amazonaws.com.example", None, "none"),
        ("https://minio:9000", None, "none"),
        ("https://minio:9000", "crc64nvme", "crc64nvme"),
        (None, "none", "none"),
    ],
)
def test_a_checksum_is_sent_to_amazon_alone_unless_said(
    endpoint: str | None, checksum: str | None, used: str
) -> None:
    assert bucket(endpoint=endpoint, checksum=checksum).checksum_in_use == used


def test_azure_has_one_key() -> None:
    wanted = {"kind": "azure", "account": "mine", "container": "backups", "prefix": "/pg/"}
    assert AzureStorage.model_validate(wanted).place == "azure://mine/backups/pg"
    with pytest.raises(ValueError, match="account_key_file and sas_file"):
        AzureStorage.model_validate({**wanted, "account_key_file": "/key", "sas_file": "/sas"})


def test_google_has_a_place() -> None:
    wanted = {"kind": "gcs", "bucket": "backups", "prefix": "pg/"}
    assert GcsStorage.model_validate(wanted).place == "gs://backups/pg"
