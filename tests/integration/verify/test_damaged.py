"""Every damage is found: by the hash on record, and where that was changed too, by reading the content."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.verify import run
from tests.integration.verify import damage
from tests.integration.verify.conftest import CopyOf
from tests.integration.verify.damage import Damage
from tests.support import databases
from tests.support.backups import Site
from tests.support.servers import Server

LOGICAL: dict[str, dict[str, Any]] = {
    "custom": {"format": "custom"},
    "custom-gzip": {"format": "custom", "compression": {"method": "gzip"}},
    "directory": {"format": "directory"},
    "plain": {"format": "plain"},
    "plain-gzip": {"format": "plain", "compression": {"method": "gzip"}},
}
PHYSICAL: dict[str, dict[str, Any]] = {
    "zstd": {"compression": {"method": "zstd"}},
    "gzip": {"compression": {"method": "gzip"}},
}


class Case(NamedTuple):
    """What is damaged, and the check that is to find it."""

    kind: str
    pattern: str
    damaged: Damage
    check: str


def name_of(case: object) -> str | None:
    """A test's id."""
    if isinstance(case, Case):
        return f"{case.kind}-{case.pattern}-{case.damaged.__name__}"
    return None


@pytest.fixture(scope="session")
def shop() -> dict[int, databases.Database]:
    """One database on each server that asks, for all tests: they only read it."""
    return {}


def database_of(server: Server, shop: dict[int, databases.Database]) -> str:
    if server.port not in shop:
        shop[server.port] = databases.clone(server)
    return shop[server.port].name


def largest(folder: Path, pattern: str) -> Path:
    return max(folder.glob(pattern), key=lambda path: path.stat().st_size)


def found(site: Site, made: Backup, check: str) -> None:
    """It is found to be damaged, by that check; from then on it is a failed one."""
    (outcome,) = run.plan(site.workspace, "p", [made], whole=True)
    proof = outcome.proof
    assert outcome.is_damaged, proof.message
    assert [each.name for each in proof.checks if not each.ok] == [check], proof.checks
    assert [(each.id, each.status) for each in site.proofs()] == [(proof.id, Status.FAILED)]
    record = site.newest("p")
    assert (record.status, record.reason) == (Status.FAILED, Reason.CORRUPT)
    beside = site.path(made) / "backup.json"
    if beside.exists():
        assert codec.decode(Backup, beside.read_bytes(), where="") == record
    assert site.leftovers() == []


@pytest.mark.parametrize("damaged", [damage.flip, damage.cut, damage.remove])
@pytest.mark.parametrize("pattern", ["*.backup", "*.dir/*.dat*", "*.dir/toc.dat", "*.sql.zst", "globals.sql"])
def test_logical_by_its_hash(
    pg17: Server, shop: dict[int, databases.Database], copy_of: CopyOf, pattern: str, damaged: Damage
) -> None:
    kind = {"*.b": "custom", "*.d": "directory", "*.s": "plain", "glo": "custom"}[pattern[:3]]
    site, made = copy_of(pg17, "logical", databases=[database_of(pg17, shop)], **LOGICAL[kind])
    damaged(largest(site.path(made), pattern))
    found(site, made, "sha256")


@pytest.mark.parametrize(
    "case",
    [
        Case("custom", "*.backup", damage.cut, "dump"),
        Case("custom-gzip", "*.backup", damage.flip, "dump"),
        Case("directory", "*.dir/*.dat*", damage.remove, "dump"),
        Case("directory", "*.dir/toc.dat", damage.cut, "dump"),
        Case("plain", "*.sql.zst", damage.flip, "dump"),
        Case("plain", "*.sql.zst", damage.cut, "frames"),
        Case("plain", "*.sql.zst", damage.cut_frame, "frames"),
        Case("plain-gzip", "*.sql.gz", damage.flip, "dump"),
        Case("plain-gzip", "*.sql.gz", damage.cut, "dump"),
        Case("custom", "globals.sql", damage.halve, "globals"),
    ],
    ids=name_of,
)
def test_logical_by_its_content(
    edge_server: Server, shop: dict[int, databases.Database], copy_of: CopyOf, case: Case
) -> None:
    databases = [database_of(edge_server, shop)]
    site, made = copy_of(edge_server, "logical", databases=databases, **LOGICAL[case.kind])
    case.damaged(largest(site.path(made), case.pattern))
    found(site, damage.record_again(site, made), case.check)


def test_rows_that_are_not_as_counted(
    pg17: Server, shop: dict[int, databases.Database], copy_of: CopyOf
) -> None:
    """A dump that is whole and is of something else."""
    site, made = copy_of(pg17, "logical", databases=[database_of(pg17, shop)], **LOGICAL["custom"])
    assert made.row_counts is not None
    counts = {**made.row_counts, "public.orders": 2001, "public.gone": 7}
    site.catalog.put(made.evolve(row_counts=counts))
    (outcome,) = run.plan(site.workspace, "p", [made], whole=True)
    assert "public.orders has 2000 of 2001 rows, public.gone is missing (7 rows)" in outcome.proof.message
    assert outcome.backup.status is Status.FAILED


@pytest.mark.parametrize("damaged", [damage.flip, damage.cut, damage.remove])
@pytest.mark.parametrize("kind", PHYSICAL)
@pytest.mark.parametrize("pattern", ["base.tar.*", "pg_wal.tar.*", "[0-9]*.tar.*", "backup_manifest"])
def test_physical_by_its_hash(
    tablespaces: Server, copy_of: CopyOf, kind: str, pattern: str, damaged: Damage
) -> None:
    site, made = copy_of(tablespaces, "physical", **PHYSICAL[kind])
    damaged(largest(site.path(made), pattern))
    found(site, made, "sha256")


@pytest.mark.parametrize(
    "case",
    [
        Case("zstd", "base.tar.zst", damage.flip, "pg_verifybackup"),
        Case("zstd", "base.tar.zst", damage.flip_content, "pg_verifybackup"),
        Case("zstd", "base.tar.zst", damage.cut, "frames"),
        Case("zstd", "base.tar.zst", damage.cut_frame, "frames"),
        Case("zstd", "pg_wal.tar.zst", damage.cut_frame, "frames"),
        Case("zstd", "pg_wal.tar.zst", damage.flip_wal, "pg_verifybackup"),
        Case("zstd", "[0-9]*.tar.zst", damage.flip_content, "pg_verifybackup"),
        Case("zstd", "[0-9]*.tar.zst", damage.remove, "pg_verifybackup"),
        Case("zstd", "backup_manifest", damage.flip, "pg_verifybackup"),
        Case("gzip", "base.tar.gz", damage.flip, "gzip"),
        Case("gzip", "base.tar.gz", damage.cut, "gzip"),
        Case("gzip", "[0-9]*.tar.gz", damage.flip_content, "pg_verifybackup"),
        Case("gzip", "pg_wal.tar.gz", damage.cut, "gzip"),
    ],
    ids=name_of,
)
def test_physical_by_its_content(edge_with_tablespaces: Server, copy_of: CopyOf, case: Case) -> None:
    site, made = copy_of(edge_with_tablespaces, "physical", **PHYSICAL[case.kind])
    case.damaged(largest(site.path(made), case.pattern))
    found(site, damage.record_again(site, made), case.check)
