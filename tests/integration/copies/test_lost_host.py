"""The backup host is lost: another, empty one recovers the server from the bucket alone."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from pgbackstop_catalog.config.storage import S3Storage
from tests.integration.copies.conftest import SECRET_KEY, place
from tests.integration.copies.lost_host import Bucket, Host, Writer, a_host, empty_host, now, recovered
from tests.integration.recover import primary as primaries
from tests.integration.recover.primary import Clone
from tests.integration.wal import receiver
from tests.support import backups, forks, ports
from tests.support.cut_connections import Cutter

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to" / "recover-when-the-backup-host-is-lost.md"


ROWS = "select n, at, content from ledger order by n"


@pytest.fixture
def host(storage: S3Storage) -> Iterator[Host]:
    with a_host(storage) as new:
        yield new


@pytest.fixture(scope="module")
def bucket(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """Forty rows in three segments after the backup; the host is lost, and the catalog rebuilt."""
    storage = place(endpoint, tmp_path_factory.mktemp("keys"), "lost")
    with a_host(storage) as host:
        host.primary.receive()
        host.copy_on()
        host.primary.backup()
        for number in range(1, 41):
            host.primary.server.execute(f"insert into ledger (n) values ({number})")
            if number % 15 == 0:
                host.primary.switch()
        host.reaches(now(host.primary.server))
        host.lose()
        site = empty_host(host, storage)
        rebuilt = site.run("catalog", "rebuild", "--storage", "offsite")
        assert rebuilt.returncode == 0, rebuilt.stderr
        yield Bucket(host, storage, site)


def test_everything_that_reached_the_bucket_comes_back(host: Host, storage: S3Storage) -> None:
    server, writer = host.primary.server, Writer(host.primary.server)
    host.primary.receive()
    host.copy_on()
    with writer.writing():
        writer.more(20)
        host.primary.backup()
        for _ in range(3):
            writer.more(100)
            host.primary.switch()
        writer.more(100)
        host.reaches(now(server))
        writer.more(100)
        state = host.state()
        told = host.primary.site.run("window").stdout
        host.lose()
        writer.more(20)
    assert state is not None
    assert state.recoverable_until is not None
    assert state.missing_segments == 0
    assert "If this host is lost, s3 alone recovers main to 2" in told

    new = empty_host(host, storage)
    rebuilt = new.run("catalog", "rebuild", "--storage", "offsite")
    assert rebuilt.returncode == 0, rebuilt.stderr
    with recovered(host, new) as clone:
        assert "all of them from offsite" in clone.said
        rows, live = clone.execute(ROWS), server.execute(ROWS)
        assert rows == live[: len(rows)]
        # By the time of its commit, which is after the row's own.
        promised = server.execute(
            f"select count(*) from ledger where pg_xact_commit_timestamp(xmin) <= '{state.recoverable_until}'"
        )[0][0]
        assert isinstance(promised, int)
        assert 300 < promised <= len(rows) < len(live)
        texts = [(clone.data / name).read_text() for name in ("postgresql.auto.conf", "RECOVER.md")]
        assert not any(word in text for text in texts for word in (SECRET_KEY, str(storage.endpoint)))


def numbers(clone: Clone) -> list[object]:
    return [number for (number,) in clone.execute("select n from ledger order by n")]


def test_to_a_moment_before_the_end(bucket: Bucket) -> None:
    """Row 20 was committed then, and row 21 was not."""
    server = bucket.host.primary.server
    moment = server.execute("select pg_xact_commit_timestamp(xmin) from ledger where n = 20")[0][0]
    assert isinstance(moment, datetime)
    with recovered(bucket.host, bucket.site, "--time", moment.isoformat()) as clone:
        assert numbers(clone) == list(range(1, 21))


def test_segments_whose_index_was_lost_count_too(bucket: Bucket) -> None:
    with contextlib.ExitStack() as lost:
        for path in bucket.paths("index.jsonl"):
            lost.enter_context(bucket.changed(path, None))
        with recovered(bucket.host, bucket.site) as clone:
            assert numbers(clone) == list(range(1, 41))


def test_the_how_to_line_by_line(bucket: Bucket) -> None:
    """The file and the commands of the manual, with the places of this test in the place of its own."""
    text = HOW_TO.read_text()
    (document,) = (yaml.safe_load(block) for block in blocks(text, "yaml"))
    assert set(document) == {"servers", "storages"}
    server = bucket.host.primary.server
    # Only what a host with PostgreSQL in the usual place would not need.
    document["servers"]["main"] = {"bin_dir": str(server.programs.folder), "user": "postgres"}
    folder, into, port = bucket.host.primary.folder / "how-to", bucket.host.primary.target(), ports.free()
    document["storages"]["local"] = {"path": str(folder / "local")}
    offsite = bucket.storage.model_dump(mode="json", exclude_defaults=True)
    assert set(document["storages"]["offsite"]) - {"prefix"} <= set(offsite)
    document["storages"]["offsite"] = offsite
    folder.mkdir()
    (folder / "pgbackstop.yaml").write_text(yaml.safe_dump(document))
    with primaries.ended(into):
        for line in "".join(blocks(text, "sh")).splitlines():
            words = line.replace("/var/lib/postgresql/17/main", str(into)).split()
            assert words[0] == "pgbackstop"
            more = ["--port", str(port)] if "--start" in words else []
            config = str(folder / "pgbackstop.yaml")
            done = forks.run("--config", config, *words[1:], *more, env=backups.environment())
            assert done.returncode == 0, (line, done.stderr)
        assert numbers(Clone(data=into, port=port, said=done.stdout)) == list(range(1, 41))


def blocks(text: str, kind: str) -> list[str]:
    return [block.partition("```")[0] for block in text.split(f"```{kind}\n")[1:]]


def test_with_a_client_of_s3_and_standard_tools_alone(bucket: Bucket, tmp_path: Path) -> None:
    """Downloaded by curl, unpacked by tar and zstd, replayed by the manual's script."""
    bucket.download(tmp_path)
    (mark,) = tmp_path.glob("backups/physical/main/*/backup.json")
    base = tmp_path / "base"
    unpack = "mkdir base && zstd -dcq {0}/base.tar.zst | tar -xf - -C base"
    unpack += " && zstd -dcq {0}/pg_wal.tar.zst | tar -xf - -C base/pg_wal"
    subprocess.run(["bash", "-ec", unpack.format(mark.parent)], cwd=tmp_path, check=True)
    with receiver.recovered(
        bucket.host.primary.server, base, tmp_path / "backups/wal_archive/main"
    ) as server:
        assert [number for (number,) in server.execute("select n from ledger order by n")] == list(
            range(1, 41)
        )


def test_by_hand_without_us_or_the_bucket(bucket: Bucket) -> None:
    """Prepared without --start: everything that the server needs is in its directory."""
    into = bucket.host.primary.target()
    done = bucket.site.run("recover", "main", "--into", str(into))
    assert done.returncode == 0, done.stderr
    archive = into / "pgbackstop_wal"
    assert str(archive) in (into / "postgresql.auto.conf").read_text()
    assert len(list(archive.rglob("*.lz4"))) >= 3


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"endpoint": "http://127.0.0.1:9"}, "cannot be used"),
        ({"secret_access_key_file": "wrong"}, "cannot be used"),
        ({"bucket": "nowhere"}, "is not there"),
    ],
    ids=["nobody listens", "wrong key", "no such bucket"],
)
def test_a_bucket_that_cannot_be_used(bucket: Bucket, changes: dict[str, str], told: str) -> None:
    (bucket.site.folder / "wrong").write_text("not-the-secret")
    if "secret_access_key_file" in changes:
        changes = {"secret_access_key_file": str(bucket.site.folder / "wrong")}
    broken = empty_host(bucket.host, bucket.storage.evolve(**changes))
    try:
        said = bucket.refused("--from", "offsite", site=broken)
        assert f"The storage offsite {told}" in said
        assert "not-the-secret" not in said
        rebuilt = broken.run("catalog", "rebuild", "--storage", "offsite")
        assert rebuilt.returncode != 0
        assert f"The storage offsite {told}" in rebuilt.stderr
    finally:
        bucket.site.write()


@pytest.mark.parametrize("ending", ["base.tar.zst", ".lz4"])
@pytest.mark.parametrize("damage", ["deleted", "cut off", "changed"])
def test_what_is_not_whole_is_told(bucket: Bucket, ending: str, damage: str) -> None:
    path = bucket.paths(ending)[-1]
    content = bucket.store.read(path)
    middle = len(content) // 2
    damaged = {
        "deleted": None,
        "cut off": content[:-10],
        "changed": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
    }[damage]
    with bucket.changed(path, damaged):
        said = bucket.refused()
    told = {
        "deleted": "is not there",
        "cut off": f"has {len(content) - 10} of {len(content)} bytes",
        "changed": "is damaged",
    }[damage]
    assert told in said
    assert ("nothing was touched" in said) == (damage != "changed")
    assert path.rpartition("/")[2].partition(".")[0] in said


def test_the_daemon_copies_on_when_its_copier_is_killed(host: Host) -> None:
    server = host.primary.server
    host.primary.receive()
    host.primary.backup()
    host.primary.stop_receiver()
    daemon = host.primary.site.start("daemon")
    try:
        host.reaches(now(server))
        killed = host.state()
        assert killed is not None
        assert killed.pid not in {None, daemon.pid}
        os.kill(killed.pid or 0, signal.SIGKILL)
        host.primary.switch()
        host.reaches(now(server))
        state = host.state()
        assert state is not None
        assert state.pid != killed.pid
        assert (state.missing_segments, state.conflicts) == (0, ())
        assert state.copied >= killed.copied
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.communicate(timeout=2 * backups.PATIENCE)
    state = host.state()
    assert state is not None
    assert state.status == "stopped"


def test_a_connection_that_is_cut_leaves_nothing(bucket: Bucket) -> None:
    """In the middle of the base backup, again and again."""
    address = urlsplit(bucket.storage.endpoint)
    cutter = Cutter((str(address.hostname), address.port or 80))
    with cutter.cutting() as endpoint:
        broken = empty_host(bucket.host, bucket.storage.evolve(endpoint=endpoint))
        try:
            assert "The storage offsite cannot be used" in bucket.refused(site=broken)
        finally:
            bucket.site.write()
