"""A container of Azure Blob Storage passes the suite of all storages: Azurite, Microsoft's own emulator."""

import base64
import contextlib
import email.utils
import hashlib
import hmac
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.storage import AzureStorage
from pgbackstop_runner.storage import azure
from pgbackstop_runner.storage.bucket import Bucket
from pgbackstop_runner.storage.protocol import StoreError
from tests.conformance.storage import StorageContract
from tests.support import ports
from tests.support.install_azurite import PROGRAM

ACCOUNT, CONTAINER = "devstoreaccount1", "copies"
KEY = base64.b64encode(hashlib.sha512(b"only of this test").digest()).decode()
PATIENCE = 120.0  # seconds


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an account with an empty container."""
    if shutil.which("node") is None or not PROGRAM.exists():
        pytest.skip("no Azurite: make test-tools installs it where npm is")
    with contextlib.ExitStack() as stack:
        yield ports.started(lambda: stack.enter_context(azurite(tmp_path_factory.mktemp("azurite"))))


@contextlib.contextmanager
def azurite(folder: Path) -> Iterator[str]:
    """Raises NotStarted."""
    port = ports.free()
    argv = [
        "setpriv", "--pdeathsig", "KILL",  # it must not outlive a test run that is killed
        str(shutil.which("node")), str(PROGRAM), "--blobHost", "127.0.0.1", "--blobPort", str(port),
        "--location", str(folder), "--silent", "--disableTelemetry", "--skipApiVersionCheck",
    ]  # fmt: skip
    environment = {**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, env=environment)
    address = f"http://127.0.0.1:{port}/{ACCOUNT}"
    try:
        _make_container(address, process, folder / "log")
        yield address
    finally:
        process.kill()
        process.wait()


def _make_container(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """As soon as it answers. obstore makes none, so this is signed by hand (SharedKey)."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        date = email.utils.formatdate(usegmt=True)
        named = f"x-ms-date:{date}\nx-ms-version:2021-12-02\n"
        nothing = "\n" * 11  # of the headers that are signed by their place
        said = f"PUT\n{nothing}{named}/{ACCOUNT}/{ACCOUNT}/{CONTAINER}\nrestype:container"
        signature = hmac.digest(base64.b64decode(KEY), said.encode(), "sha256")
        headers = {
            "x-ms-date": date,
            "x-ms-version": "2021-12-02",
            "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}",
            "Content-Length": "0",
        }
        target = f"{address}/{CONTAINER}?restype=container"
        asked = urllib.request.Request(target, method="PUT", headers=headers)  # noqa: S310 - our own, on loopback
        try:
            with urllib.request.urlopen(asked, timeout=30):  # noqa: S310
                return
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(error.read().decode()) from error
        except OSError:
            time.sleep(0.1)
    raise ports.NotStarted(log.read_text()[-2000:])


@pytest.fixture
def storage(account: str, tmp_path: Path) -> AzureStorage:
    (tmp_path / "account-key").write_text(f"{KEY}\n")
    return AzureStorage(
        kind="azure",
        account=ACCOUNT,
        container=CONTAINER,
        prefix=tmp_path.name,
        endpoint=account,
        allow_http=True,
        account_key_file=tmp_path / "account-key",
    )


class TestAzureContainer(StorageContract):
    @pytest.fixture
    def store(self, storage: AzureStorage) -> Bucket:
        return azure.connect("azure", storage)


def test_a_wrong_key_is_one_sentence_without_it(storage: AzureStorage, tmp_path: Path) -> None:
    wrong = base64.b64encode(b"another key").decode()
    (tmp_path / "account-key").write_text(wrong)
    with pytest.raises(StoreError, match="The storage azure cannot be used") as refused:
        azure.connect("azure", storage).mark()
    assert "\n" not in str(refused.value)
    assert wrong not in str(refused.value)


def test_a_shared_access_signature_in_place_of_the_key(storage: AzureStorage, tmp_path: Path) -> None:
    """It goes with the address, which errors like to quote. The portal shows it with a question mark."""
    by_signature = storage.evolve(account_key_file=None, sas_file=tmp_path / "sas")
    (tmp_path / "sas").write_text(f"?{shared_access(KEY)}\n")
    store = azure.connect("azure", by_signature)
    store.put_bytes(b"bytes", "file")
    assert store.read("file") == b"bytes"
    wrong = shared_access(base64.b64encode(b"another key").decode())
    (tmp_path / "sas").write_text(wrong)
    with pytest.raises(StoreError, match="403 Forbidden") as refused:
        azure.connect("azure", by_signature).mark()
    assert "sig=" not in str(refused.value)
    assert wrong.rpartition("=")[2] not in str(refused.value)


def shared_access(key: str) -> str:
    """For all of the container, signed by hand as 'az storage container generate-sas' does.

    https://learn.microsoft.com/en-us/rest/api/storageservices/create-service-sas
    """
    rights, until, version = "racwdl", "2100-01-01T00:00:00Z", "2021-12-02"
    resource = f"/blob/{ACCOUNT}/{CONTAINER}"
    said = "\n".join([rights, "", until, resource, "", "", "", version, "c", *[""] * 7])
    signature = base64.b64encode(hmac.digest(base64.b64decode(key), said.encode(), "sha256")).decode()
    return urllib.parse.urlencode({"sp": rights, "se": until, "sv": version, "sr": "c", "sig": signature})


def test_what_is_no_key_is_refused_before_anything_is_asked(storage: AzureStorage, tmp_path: Path) -> None:
    (tmp_path / "account-key").write_text("!secret!")
    with pytest.raises(errors.ConfigError, match="Storage azure cannot be used") as refused:
        azure.connect("azure", storage)
    assert "!secret!" not in str(refused.value)


def test_a_container_that_is_not_there(storage: AzureStorage) -> None:
    """A failed listing is an error, and never empty."""
    store = azure.connect("azure", storage.evolve(container="never"))
    with pytest.raises(StoreError, match="The storage azure cannot be used"):
        list(store.files("backups"))
