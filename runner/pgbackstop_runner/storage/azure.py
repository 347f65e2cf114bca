"""A container of Azure Blob Storage."""

from __future__ import annotations

from functools import partial
from typing import Any

from obstore.store import AzureStore

from pgbackstop_catalog.config.storage import AzureStorage
from pgbackstop_runner.storage import secret_files
from pgbackstop_runner.storage.bucket import Bucket


def connect(name: str, storage: AzureStorage) -> Bucket:
    """Raises ConfigError for a file of a key that cannot be used. Speaks to nobody yet."""
    options: dict[str, Any] = {"account_name": storage.account}
    if storage.endpoint is not None:
        options["endpoint"] = storage.endpoint
    if storage.account_key_file is not None:
        options["account_key"] = secret_files.text(storage.account_key_file).strip()
    if storage.sas_file is not None:
        options["sas_key"] = secret_files.text(storage.sas_file).strip()
    return Bucket.connect(name, storage, partial(AzureStore, storage.container, **options))
