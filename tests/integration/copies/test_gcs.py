"""A bucket as Google Cloud Storage has it passes the suite of all storages, without Google.

No server of Google's runs here. What obstore asks of it is the XML interface, which is that of S3 but for the
signature: SeaweedFS answers it for a bucket that needs no key, once a proxy has taken the token away that it
does not know. How Google checks an account is not tried.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.storage import GcsStorage, S3Storage
from pgbackstop_runner.storage import gcs, s3
from pgbackstop_runner.storage.bucket import Bucket
from tests.conformance.storage import StorageContract
from tests.integration.copies.conftest import OPEN
from tests.support.reverse_proxy import ReverseProxy


@pytest.fixture
def address(endpoint: str) -> Iterator[str]:
    with ReverseProxy(server=endpoint, drops=frozenset({"authorization"})).open() as found:
        yield found


@pytest.fixture
def there(storage: S3Storage, address: str, tmp_path: Path) -> GcsStorage:
    s3.connect("s3", storage.evolve(bucket=OPEN, prefix="")).put_bytes(b"", "made")
    account = {"private_key": "", "private_key_id": "", "client_email": "", "disable_oauth": True}
    (tmp_path / "account.json").write_text(json.dumps(account))
    return GcsStorage(
        kind="gcs",
        bucket=OPEN,
        prefix=tmp_path.name,
        endpoint=address,
        allow_http=True,
        credentials_file=tmp_path / "account.json",
    )


class TestGcsBucket(StorageContract):
    @pytest.fixture
    def store(self, there: GcsStorage) -> Bucket:
        return gcs.connect("gcs", there)


@pytest.mark.parametrize(
    "content", ["secret", "{}", json.dumps({"type": "service_account", "private_key": "secret"})]
)
def test_what_is_no_service_account_is_refused_before_anything_is_asked(
    there: GcsStorage, tmp_path: Path, content: str
) -> None:
    (tmp_path / "account.json").write_text(content)
    with pytest.raises(errors.ConfigError, match="Storage gcs cannot be used") as refused:
        gcs.connect("gcs", there)
    assert "secret" not in str(refused.value)
