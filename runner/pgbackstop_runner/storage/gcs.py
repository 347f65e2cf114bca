"""A bucket of Google Cloud Storage."""

from __future__ import annotations

from functools import partial
from typing import Any

from obstore.store import GCSStore

from pgbackstop_catalog.config.storage import GcsStorage
from pgbackstop_runner.storage import secret_files
from pgbackstop_runner.storage.bucket import Bucket


def connect(name: str, storage: GcsStorage) -> Bucket:
    """Raises ConfigError for a file of a key that cannot be used. Speaks to nobody yet."""
    options: dict[str, Any] = {}
    if storage.endpoint is not None:
        options["base_url"] = storage.endpoint
    if storage.credentials_file is not None:
        options["service_account_key"] = secret_files.text(storage.credentials_file)
    return Bucket.connect(name, storage, partial(GCSStore, storage.bucket, **options))
