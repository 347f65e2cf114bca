"""A lost host comes back from an encrypted storage, with an identity and never without."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.storage import AnyStorage, FolderStorage
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.backup import Backup
from tests.integration.copies.conftest import place
from tests.integration.copies.lost_host import LostHost, a_host, empty_host, now, recovered
from tests.integration.recover.primary import Clone
from tests.integration.wal import receiver
from tests.support import backups, keys
from tests.support.keys import Keys
from tests.support.servers import Server

TABLES = ("pgbench_accounts", "pgbench_branches", "pgbench_tellers", "pgbench_history")
RECORDS = {"backup.json", "RESTORE.md", "SHA256SUMS", "index.jsonl", "archive.json", "state.json"}
HOW_TO = Path(__file__).parents[3] / "docs" / "how-to"


@dataclass(frozen=True)
class EncryptedLostHost(LostHost):
    """The storage is encrypted; ``rows`` is what every table held."""

    own: Keys
    rows: dict[str, list[tuple[object, ...]]]

    def reader(self, own: Keys | None) -> AnyStorage:
        """The storage as a host has it that reads with that identity, or with none."""
        encryption = own.encryption(writes=False) if own else self.own.encryption(reads=False)
        return self.storage.evolve(encryption=encryption)

    @contextlib.contextmanager
    def other(self, storage: AnyStorage) -> Iterator[None]:
        """The new host's configuration names it so meanwhile."""
        document = yaml.safe_load(self.site.file.read_text())
        document["storages"]["offsite"] = storage.model_dump(mode="json")
        self.site.file.write_text(yaml.safe_dump(document))
        try:
            yield
        finally:
            self.site.write()


def pgbench(server: Server, *words: str) -> None:
    argv = [str(server.programs.tool("pgbench")), "-h", str(server.folder), "-p", str(server.port)]
    env = {**os.environ, "PGPASSWORD": server.password}
    subprocess.run([*argv, "-U", "postgres", *words, "postgres"], check=True, capture_output=True, env=env)


def rows(server: Server | Clone) -> dict[str, list[tuple[object, ...]]]:
    return {table: server.execute(f"select t::text from {table} t order by 1") for table in TABLES}


@pytest.fixture(scope="module", params=["folder", "s3"])
def sealed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EncryptedLostHost]:
    """Backed up under load, copied with its WAL, and lost; the catalog is rebuilt without an identity."""
    folder = tmp_path_factory.mktemp("sealed")
    own = keys.generated(folder / "keys")
    storage: AnyStorage = FolderStorage(path=folder / "offsite")
    if request.param == "s3":
        storage = place(request.getfixturevalue("endpoint"), folder, "sealed")
    storage = storage.evolve(encryption=own.encryption(reads=False))
    with a_host(storage) as host:
        server = host.primary.server
        pgbench(server, "-i", "-s", "1", "-q")
        host.primary.receive()
        host.copy_on()
        pgbench(server, "-n", "-t", "100", "-c", "2")
        host.primary.backup()
        for _ in range(3):
            pgbench(server, "-n", "-t", "100", "-c", "2")
            host.primary.switch()
        pgbench(server, "-n", "-t", "100", "-c", "2")
        host.reaches(now(server))
        host.lose()
        site = empty_host(host, storage)
        rebuilt = site.run("catalog", "rebuild", "--storage", "offsite")
        assert rebuilt.returncode == 0, rebuilt.stderr
        site = empty_host(host, storage.evolve(encryption=own.encryption(writes=False)))
        yield EncryptedLostHost(host=host, storage=storage, site=site, own=own, rows=rows(server))


def test_every_row_comes_back(sealed: EncryptedLostHost) -> None:
    with recovered(sealed.host, sealed.site, "--from", "offsite") as clone:
        assert rows(clone) == sealed.rows
        assert len(sealed.rows["pgbench_history"]) == 1000
        texts = [(clone.data / name).read_text() for name in ("RECOVER.md", "postgresql.auto.conf")]
    texts += [path.read_text(errors="replace") for path in sealed.site.folder.rglob("*") if path.is_file()]
    assert not any("AGE-SECRET-KEY" in text for text in [*texts, clone.said])


def test_segments_whose_index_was_lost_count_too(sealed: EncryptedLostHost) -> None:
    with contextlib.ExitStack() as lost:
        for path in sealed.paths("index.jsonl"):
            lost.enter_context(sealed.changed(path, None))
        with recovered(sealed.host, sealed.site, "--from", "offsite") as clone:
            assert rows(clone) == sealed.rows


def test_nothing_but_records_is_readable(sealed: EncryptedLostHost) -> None:
    stored = {path: sealed.store.read(path) for path, _size in sealed.store.files("backups")}
    readable = {path.rpartition("/")[2] for path in stored if not path.endswith(".age")}
    assert readable == RECORDS
    for path, content in stored.items():
        assert content.startswith(b"age-encryption.org/") == path.endswith(".age"), path
    assert any(".lz4.age" in path for path in stored)
    assert any("receiving/" in path and path.endswith(".partial.age") for path in stored)


@pytest.mark.parametrize("who", ["nobody", "a stranger"])
def test_without_the_identity_nothing_is_touched(sealed: EncryptedLostHost, who: str, tmp_path: Path) -> None:
    stranger = keys.generated(tmp_path) if who == "a stranger" else None
    with sealed.other(sealed.reader(stranger)):
        into = sealed.host.primary.target()
        done = sealed.site.run("recover", "main", "--into", str(into), "--from", "offsite")
    assert done.returncode == errors.ConfigError.exit_code, done.stderr
    assert "identity_files" in backups.sentence(done)
    assert not into.exists()


@pytest.mark.parametrize("ending", ["base.tar.zst.age", ".lz4.age", ".partial.age"])
@pytest.mark.parametrize("damage", ["cut off", "changed", "not encrypted"])
def test_what_was_tampered_with_is_found(sealed: EncryptedLostHost, ending: str, damage: str) -> None:
    path = sealed.paths(ending)[-1]
    content = sealed.store.read(path)
    middle = len(content) // 2
    changed = {
        "cut off": content[:-10],
        "changed": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "not encrypted": bytes(len(content)),
    }[damage]
    with sealed.changed(path, changed):
        said = sealed.refused("--from", "offsite")
    assert "damaged" in said or "nothing was touched" in said
    assert path.rpartition("/")[2].partition(".")[0] in said


def test_plain_files_are_refused_there(sealed: EncryptedLostHost) -> None:
    before = dict(sealed.store.files("backups"))
    with sealed.other(sealed.storage.evolve(encryption=None)):
        done = sealed.site.run("storage", "list")
        assert done.returncode == 1
        assert "The storage offsite is encrypted (age)" in done.stderr
        said = sealed.refused("--from", "offsite")
        assert "The storage offsite is encrypted (age)" in said
    assert dict(sealed.store.files("backups")) == before


def test_by_hand_with_age_alone(sealed: EncryptedLostHost, tmp_path: Path) -> None:
    """The lines of RESTORE.md and of the manual, on what a client of the storage downloads."""
    if shutil.which("age") is None:
        pytest.skip("no age: scripts/debian-packages.sh installs it")
    sealed.download(tmp_path)
    (mark,) = tmp_path.glob("backups/physical/main/*/backup.json")
    record = codec.read(Backup, mark)
    assert record.encryption is not None
    assert record.encryption.recipients == (sealed.own.recipients.read_text().split()[-1],)
    decrypt, *restore = backups.commands_by_hand(mark.parent)
    for name in ("encrypt-copies.md", "recover-when-the-backup-host-is-lost.md"):
        assert decrypt in (HOW_TO / name).read_text()
    decrypt = decrypt.replace("/path/to/identity", str(sealed.own.identity))
    archive = tmp_path / "backups" / "wal_archive" / "main"
    for folder in (mark.parent, archive):
        subprocess.run(["bash", "-ec", decrypt], cwd=folder, check=True)
    data = tmp_path / "data"
    path = f"{sealed.host.primary.server.programs.folder}:{os.environ['PATH']}"
    for line in restore:
        words = line.replace("/path/to/data", str(data)).partition(" && pg_ctl")[0]
        subprocess.run(["bash", "-ec", words], cwd=mark.parent, check=True, env={**os.environ, "PATH": path})
    with receiver.recovered(sealed.host.primary.server, data, archive) as server:
        assert rows(server) == sealed.rows
