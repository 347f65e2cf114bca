"""Copies are read again by the daemon: what rots is found, told and made anew; nobody typed verify."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.store import layout
from pgbackstop_runner.storage import identity, s3
from tests.integration.copies.conftest import place
from tests.integration.drill.test_daemon import SELDOM, daemon
from tests.integration.exporter.running import Exporter
from tests.support import backups, keys
from tests.support.backups import Site
from tests.support.databases import Database
from tests.unit.runner.stub_alertmanager import StubAlertmanager, answering

READ_NOW = {"schedule": "* * * * * *", "interval": "0s", "copies_interval": "0s"}


@dataclass(frozen=True)
class Offsite:
    """A storage for copies, and how one bit of what is stored there flips."""

    settings: dict[str, Any]
    flip: Callable[[str], None]
    suffix: str = ""


def flipped(content: bytes) -> bytes:
    changed = bytearray(content)
    changed[len(content) // 2] ^= 0x10
    return bytes(changed)


@pytest.fixture(params=["folder", "encrypted", "s3"])
def offsite(request: pytest.FixtureRequest, tmp_path: Path) -> Offsite:
    if request.param == "s3":
        storage = place(request.getfixturevalue("endpoint"), tmp_path, "rots")
        bucket = s3.connect("offsite", storage)
        return Offsite(
            storage.model_dump(mode="json"), lambda path: bucket.put_bytes(flipped(bucket.read(path)), path)
        )
    root = tmp_path / "offsite"
    settings: dict[str, Any] = {"kind": "folder", "path": str(root)}

    def flip(path: str) -> None:
        (root / path).write_bytes(flipped((root / path).read_bytes()))

    if request.param == "folder":
        return Offsite(settings, flip)
    own = keys.generated(tmp_path / "keys").settings()
    return Offsite({**settings, "encryption": own}, flip, layout.ENCRYPTED_SUFFIX)


@pytest.fixture
def alertmanager() -> Iterator[StubAlertmanager]:
    with answering() as server:
        yield server


def copies(site: Site) -> dict[str, Copy]:
    return {each.backup: each for each in site.catalog.copies("daily")}


def dump_of(made: Backup, offsite: Offsite) -> str:
    (file,) = [each for each in made.files if each.path.endswith(".backup")]
    return f"{made.location}/{file.path}{offsite.suffix}"


def test_a_flipped_bit_of_a_copy_is_found_told_and_mended(
    database: Database, tmp_path: Path, offsite: Offsite, alertmanager: StubAlertmanager
) -> None:
    plan = backups.plan(
        databases=[database.name],
        schedule=SELDOM,
        verify=False,
        drill={"enabled": False},
        copies=["offsite"],
    )
    site = Site(
        folder=tmp_path / "site",
        server=database.server,
        plans={"daily": plan},
        more_storages={"offsite": offsite.settings},
        more={"verify": READ_NOW, "notifications": {"alertmanager": {"url": alertmanager.url}}},
    )
    identity.create(site.workspace, "offsite")
    (rotten,) = site.make("daily")
    (good,) = site.make("daily")
    assert {each.status for each in copies(site).values()} == {Status.SUCCEEDED}
    offsite.flip(dump_of(rotten, offsite))

    def told() -> list[Any]:
        return [each for each in alertmanager.received if each["labels"]["alertname"] == "BackupCopyDamaged"]

    with daemon(site):
        backups.until(told, "the news of a damaged copy")
        backups.until(lambda: copies(site)[good.id].verified_at, "the other copy, read as well")
    found = copies(site)[rotten.id]
    assert (found.status, found.is_damaged) == (Status.FAILED, True)
    assert site.catalog.backup(rotten.id).is_available
    proof = next(each for each in site.proofs() if each.backup == rotten.id and each.copy_in)
    assert (proof.copy_in, proof.trigger, proof.reason) == ("offsite", "schedule", Reason.CORRUPT)
    (alert,) = told()
    assert (alert["labels"]["backup"], alert["labels"]["storage"]) == (rotten.id, "offsite")
    assert "The backup itself, in local, is good as far as is known" in alert["annotations"]["description"]
    assert "its copy in offsite is damaged" in site.run("list").stdout
    assert "copies that are damaged: 1" in site.run("status").stdout
    where = {"plan": "daily", "database": database.name, "storage": "offsite"}
    with Exporter(site.file) as exporter:
        page = exporter.until_page(lambda each: bool(each.values("backup_copy_damaged")))
    assert page.value("backup_copy_damaged", **where) == 1.0
    read = copies(site)[good.id].verified_at
    assert read is not None
    assert page.value("backup_copy_oldest_verification_timestamp_seconds", **where) == read.timestamp()
    anew = site.run("copy")
    assert anew.returncode == 0, anew.stderr
    by_hand = site.run("verify", rotten.id, "--storage", "offsite")
    assert by_hand.returncode == 0, by_hand.stderr
    assert not copies(site)[rotten.id].is_damaged
    assert "damaged" not in site.run("list").stdout + site.run("status").stdout
