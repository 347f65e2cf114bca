"""A backup sees that data vanished, and the last one that has the rows stays until somebody takes note."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from tests.support.backups import Site, plan, sentence
from tests.support.databases import Database
from tests.support.servers import Server

TABLES = """
    create table public.invoices as select g as id from generate_series(1, 3000) g;
    create table public.payments as select g as id from generate_series(1, 2000) g;
    create table public."Old Stock" as select g as id from generate_series(1, 1500) g;
    create table public.visits as select g as id from generate_series(1, 4000) g;
"""
LOSES = """
    truncate public.invoices;
    drop table public.payments;
    delete from public."Old Stock" where id > 100;
    truncate public.visits;
"""
IN_WORDS = [
    'public."Old Stock": 1,500 → 100 rows',
    "public.invoices: 3,000 → 0 rows",
    "public.payments: 2,000 rows → table gone",
]


@pytest.fixture
def site(tmp_path: Path, pg17: Server, database: Database) -> Site:
    database.execute(TABLES)
    settings: dict[str, Any] = {
        "keep": {"last": 1, "minimum": 1},
        "data_loss": {"ignore": ["public.vis*"]},
        "verify": False,
    }
    return Site(folder=tmp_path, server=pg17, plans={"p": plan(databases=[database.name], **settings)})


def made(site: Site) -> Backup:
    (backup,) = site.make("p")
    assert backup.status is Status.SUCCEEDED, backup.message
    return backup


def available(site: Site) -> list[str]:
    return [each.id for each in site.backups("p") if each.is_available]


def test_the_last_backup_with_the_rows_outlives_keep_last_1(site: Site, database: Database) -> None:
    made(site)
    holder = made(site)
    assert available(site) == [holder.id]
    database.execute(LOSES)
    seen = made(site)
    assert [str(each) for each in seen.vanished] == IN_WORDS
    assert {each.last_backup for each in seen.vanished} == {holder.id}
    (warning,) = seen.warnings
    assert warning == f"Rows vanished since the backup before: {'; '.join(IN_WORDS)}"
    database.execute("insert into public.invoices select generate_series(1, 10)")
    made(site)
    newest = made(site)
    assert newest.vanished == ()
    assert available(site) == [newest.id, holder.id]

    dry = site.run("expire", "--dry-run")
    assert (
        'kept  holds rows that vanished since: public."Old Stock", public.invoices, public.payments'
        in dry.stdout
    )
    assert IN_WORDS[0] + " and 2 more" in site.run("list", "p").stdout

    refused = site.run("ack", holder.id)
    assert refused.returncode == 1
    assert sentence(refused) == (
        f"pgbackstop: No rows had vanished when backup {holder.id} was made, and it is not known to be "
        "damaged.\n"
        f"  → Of plan p there waits: {seen.id}."
    )
    done = site.run("ack", seen.id, "--note", "The shop was closed.", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["acknowledged"]["note"] == "The shop was closed."
    again = site.run("ack", seen.id)
    assert (again.returncode, "was acknowledged by" in sentence(again)) == (1, True)
    assert site.run("expire", "p").returncode == 0
    assert available(site) == [newest.id]


def test_a_restore_into_the_database_compares_with_nothing(site: Site, database: Database) -> None:
    old = made(site)
    database.execute("insert into public.invoices select generate_series(1, 9000)")
    site.plans = {"p": {**site.plans["p"], "keep": {"last": 5}}}
    site.write()
    made(site)
    done = site.run("restore", old.id, "--yes-replace", database.name)
    assert done.returncode == 0, done.stderr
    after = made(site)
    assert after.row_counts is not None
    assert after.row_counts["public.invoices"] == 3000
    assert after.vanished == ()
    database.execute("truncate public.invoices")
    assert [str(each) for each in made(site).vanished] == ["public.invoices: 3,000 → 0 rows"]


def test_a_catalog_that_cannot_be_compared_with_costs_no_backup(site: Site, database: Database) -> None:
    before = made(site)
    record = site.catalog.root / "restores" / "main" / "20261122T020000Z-5f3a9c.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"record_version": 99}))
    database.execute("truncate public.invoices")
    after = made(site)
    assert after.vanished == ()
    assert any("were not compared with those of the backup before" in each for each in after.warnings)
    assert before.id != after.id
