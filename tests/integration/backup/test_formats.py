"""Every format on every major version: the record says everything, and says it truly."""

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.backup import physical
from tests.support.backups import Site, plan
from tests.support.databases import Database
from tests.support.fixtures import MakeServer
from tests.support.servers import Server

LOGICAL: dict[str, dict[str, Any]] = {
    "custom": {"format": "custom"},
    "plain": {"format": "plain"},
    "directory": {"format": "directory"},
}
COMPRESSIONS: dict[str, dict[str, Any]] = {
    "plain-gzip": {"format": "plain", "compression": {"method": "gzip"}},
    "plain-none": {"format": "plain", "compression": {"method": "none"}},
    "custom-gzip": {"format": "custom", "compression": {"method": "gzip", "level": 9}},
    "custom-none": {"format": "custom", "compression": {"method": "none"}},
    "directory-none": {"format": "directory", "compression": {"method": "none"}, "jobs": 1},
}


def check_files(site: Site, made: Backup) -> None:
    """What is recorded is what is there: names, sizes, hashes, modes, the record beside the bytes."""
    folder = site.path(made)
    beside = {"SHA256SUMS", "RESTORE.md", "backup.json"}
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert present == beside | {each.path for each in made.files}
    for each in made.files:
        content = (folder / each.path).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (each.size_bytes, each.sha256)
    assert made.size_bytes == sum(each.size_bytes for each in made.files)
    assert (folder / "backup.json").read_bytes() == site.catalog.path(made).read_bytes() == codec.encode(made)
    for path in [folder, *folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    assert site.leftovers() == []


def check_server_facts(made: Backup, server: Server) -> None:
    facts = made.server_facts
    assert facts is not None
    assert facts.version.split()[0] == server.programs.version
    assert facts.version_number // 10000 == server.major
    identifier = server.execute("SELECT system_identifier::text FROM pg_control_system()")[0][0]
    assert facts.system_identifier == identifier
    assert (facts.timeline, facts.data_checksums) == (1, True)
    assert facts.wal_segment_bytes == wal_segments.DEFAULT_SEGMENT_BYTES


@pytest.mark.parametrize("settings", LOGICAL.values(), ids=LOGICAL)
def test_logical(server: Server, database: Database, tmp_path: Path, settings: dict[str, Any]) -> None:
    database.execute("CREATE EXTENSION pgcrypto")
    site = Site(folder=tmp_path, server=server, plans={"p": plan(databases=[database.name], **settings)})
    (made,) = site.make("p")
    assert made.status is Status.SUCCEEDED, made.message
    check_files(site, made)
    check_server_facts(made, server)
    assert made.row_counts == {f"public.{name}": count for name, count in database.row_counts().items()}
    facts = made.database_facts
    assert facts is not None
    assert (facts.encoding, facts.collate, facts.owner) == ("UTF8", "C.UTF-8", "postgres")
    assert [each.name for each in facts.extensions] == ["pgcrypto", "plpgsql"]
    assert made.tools == {"pg_dump": server.programs.version}
    assert [step.name for step in made.steps] == [
        "validate",
        *["dump", "count rows", "globals"],
        "verify",
        "commit",
    ]
    assert made.verified_at is not None
    assert made.source_size_bytes
    assert [each.id for each in site.backups()] == [made.id]
    # Before 16 pg_dump has no zstd; what it does instead is on record.
    assert bool(made.fallback) == (server.major < 16 and settings["format"] != "plain")


@pytest.mark.parametrize("settings", COMPRESSIONS.values(), ids=COMPRESSIONS)
def test_compressions(pg17: Server, database: Database, tmp_path: Path, settings: dict[str, Any]) -> None:
    site = Site(folder=tmp_path, server=pg17, plans={"p": plan(databases=[database.name], **settings)})
    (made,) = site.make("p")
    assert made.status is Status.SUCCEEDED, made.message
    check_files(site, made)
    wanted = settings["compression"]
    assert made.compression.partition(":")[0] == wanted["method"]
    assert not made.fallback


def check_physical(site: Site, made: Backup, server: Server) -> None:
    assert made.status is Status.SUCCEEDED, made.message
    check_files(site, made)
    check_server_facts(made, server)
    document = json.loads((site.path(made) / "backup_manifest").read_bytes())
    span = document["WAL-Ranges"][0]
    assert (made.start_lsn, made.stop_lsn) == (span["Start-LSN"], span["End-LSN"])
    assert made.timeline == 1
    assert made.start_lsn is not None
    assert made.stop_lsn is not None
    assert wal_segments.parse_lsn(made.start_lsn) < wal_segments.parse_lsn(made.stop_lsn)
    assert made.verification.startswith(f"pg_verifybackup {server.programs.version}")
    assert [proof.backup for proof in site.proofs() if proof.status is Status.SUCCEEDED].count(made.id) == 1


@pytest.mark.parametrize(("method", "suffix"), [("zstd", ".tar.zst"), ("gzip", ".tar.gz")])
def test_physical(server: Server, tmp_path: Path, method: str, suffix: str) -> None:
    site = Site(
        folder=tmp_path,
        server=server,
        plans={"p": plan("physical", compression={"method": method})},
    )
    (made,) = site.make("p")
    check_physical(site, made, server)
    assert {each.path for each in made.files} == {f"base{suffix}", f"pg_wal{suffix}", "backup_manifest"}


def test_physical_as_it_is(pg17: Server, tmp_path: Path) -> None:
    settings = {"compression": {"method": "none"}, "max_rate": "900MB", "verify": False}
    site = Site(folder=tmp_path, server=pg17, plans={"p": plan("physical", **settings)})
    (made,) = site.make("p")
    assert made.status is Status.SUCCEEDED, made.message
    check_files(site, made)
    assert {each.path for each in made.files} == {"base.tar", "pg_wal.tar", "backup_manifest"}
    assert (made.verified_at, site.proofs()) == (None, [])


@pytest.mark.parametrize("major", [17, 18])
def test_incremental(make_server: MakeServer, tmp_path: Path, major: int) -> None:
    server = make_server(major, settings={"summarize_wal": "on"})
    site = Site(
        folder=tmp_path,
        server=server,
        plans={"p": plan("physical", incremental={"enabled": True, "full_after": 2})},
    )
    made = [site.make("p")[0] for _ in range(4)]
    for each in made:
        check_physical(site, each, server)
    assert [each.method for each in made] == ["full", "incremental", "incremental", "full"]
    assert [each.parent for each in made] == [None, made[0].id, made[1].id, None]
    assert [each.fallback for each in made] == [""] * 4
    assert (made[1].size_bytes or 0) < (made[0].size_bytes or 0)
    chain = physical.newest_chain(site.backups("p")[1:])
    assert [each.id for each in chain] == [each.id for each in reversed(made[:3])]
