"""A bucket of S3, or of a server that speaks its protocol."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlsplit

from obstore.store import S3Store

from pgbackstop_catalog.config.storage import S3Storage
from pgbackstop_runner.storage import secret_files
from pgbackstop_runner.storage.bucket import Bucket


def connect(name: str, storage: S3Storage) -> Bucket:
    """Raises ConfigError for files of keys that cannot be used. Speaks to nobody yet."""
    is_virtual = storage.addressing == "virtual_host"
    options: dict[str, Any] = {"region": storage.region, "virtual_hosted_style_request": is_virtual}
    if storage.endpoint is not None:
        options["endpoint"] = _of_bucket(storage.endpoint, storage.bucket) if is_virtual else storage.endpoint
    if storage.checksum_in_use != "none":
        options["checksum_algorithm"] = storage.checksum_in_use
    if storage.access_key_id_file is not None:
        options["access_key_id"] = secret_files.text(storage.access_key_id_file).strip()
    if storage.secret_access_key_file is not None:
        options["secret_access_key"] = secret_files.text(storage.secret_access_key_file).strip()
    return Bucket.connect(name, storage, partial(S3Store, storage.bucket, **options))


def _of_bucket(endpoint: str, bucket: str) -> str:
    """The address with the bucket before the host, as obstore wants it."""
    return urlsplit(endpoint)._replace(netloc=f"{bucket}.{urlsplit(endpoint).netloc}").geturl()
