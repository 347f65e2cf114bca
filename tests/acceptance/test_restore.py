"""``pgbackstop restore`` as a person uses it: look, confirm, restore, go back, tidy up."""

import json
import subprocess
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from tests.support import terminal
from tests.support.backups import Site, environment, plan
from tests.support.databases import Database

TOLD = (
    "the only good backup",
    "2,250 rows in 3 tables",
    "sha256 of 2 files",
    "readable by pg_restore",
    "swapped in by a rename",
    "guessed from its size",
    "kept under another name",
)


@pytest.fixture
def site(database: Database, tmp_path: Path) -> Site:
    made = Site(folder=tmp_path, server=database.server, plans={"shop": plan(databases=[database.name])})
    made.made("shop")
    return made


def at_a_terminal(site: Site, *words: str, types: str) -> subprocess.CompletedProcess[str]:
    """Runs a command whose standard input is a terminal, where a person types."""
    return terminal.run(site.argv(*words), types=types, env=environment())


def names(database: Database) -> set[object]:
    rows = database.server.execute(f"select datname from pg_database where datname like '{database.name}%'")
    return {name for (name,) in rows}


def test_a_dry_run_tells_everything_and_touches_nothing(site: Site, database: Database) -> None:
    told = site.run("restore", "--dry-run")
    assert told.returncode == 0, told.stderr
    for words in (site.newest().id, *TOLD):
        assert words in told.stdout
    assert names(database) == {database.name}
    document = json.loads(site.run("restore", "--dry-run", "--json").stdout)
    assert document["backup"].startswith(site.newest().id)
    assert list(site.catalog.restores()) == []


@pytest.mark.parametrize("words", [(), ("--yes-replace", "another")])
def test_without_the_right_name_nothing_happens(
    site: Site, database: Database, words: tuple[str, ...]
) -> None:
    refused = site.run("restore", "latest", *words)
    assert refused.returncode == errors.ConfigError.exit_code
    assert f"→ Add --yes-replace {database.name}." in refused.stderr
    assert names(database) == {database.name}


def test_restore_undo_restore_drop(site: Site, database: Database) -> None:
    database.execute("delete from orders")
    done = site.run("restore", "latest", "--yes-replace", database.name)
    assert done.returncode == 0, done.stderr
    assert "ok  rows" in done.stdout
    assert database.row_counts()["orders"] == 2000
    (record,) = site.catalog.restores()
    assert f"pgbackstop -c {site.file} restore --undo {record.id}" in done.stdout

    undone = site.run("restore", "--undo", record.short_id, "--yes-replace", database.name)
    assert undone.returncode == 0, undone.stderr
    assert database.row_counts()["orders"] == 0
    twice = site.run("restore", "--undo", record.id, "--yes-replace", database.name)
    assert twice.returncode == errors.ValidationError.exit_code
    assert "undone already" in twice.stderr

    again = site.run("restore", "latest", "--json", "--yes-replace", database.name)
    newest = next(iter(site.catalog.restores()))
    assert json.loads(again.stdout)["replaced_database"] == newest.replaced_database
    dropped = site.run("restore", "--drop-old", newest.id, "--yes-replace", newest.replaced_database)
    assert dropped.returncode == 0, dropped.stderr
    assert names(database) == {database.name, f"{database.name}__undone_{record.short_id}"}
    database.server.execute(f'drop database "{database.name}__undone_{record.short_id}" with (force)')


def test_a_dropped_database_comes_back_without_a_question(site: Site, database: Database) -> None:
    database.drop()
    done = site.run("restore", "--database", database.name)
    assert done.returncode == 0, done.stderr
    assert database.row_counts()["orders"] == 2000


def test_into_a_new_database(site: Site, database: Database) -> None:
    into = f"{database.name} beside"
    done = site.run("restore", site.newest().id[:15], "--into", into)
    assert done.returncode == 0, done.stderr
    assert names(database) == {database.name, into}
    database.server.execute(f'drop database "{into}" with (force)')


def test_in_place(site: Site, database: Database) -> None:
    database.execute("delete from orders")
    told = site.run("restore", "--in-place", "--dry-run")
    assert "the old one is DROPPED, and there is no undo" in told.stdout
    done = site.run("restore", "latest", "--in-place", "--yes-replace", database.name)
    assert done.returncode == 0, done.stderr
    assert names(database) == {database.name}
    assert database.row_counts()["orders"] == 2000


def test_a_person_chooses_from_the_list_and_types_the_name(site: Site, database: Database) -> None:
    site.made("shop")
    database.execute("delete from orders")
    done = at_a_terminal(site, "restore", types=f"2\n{database.name}\n")
    assert done.returncode == 0, done.stderr
    assert "Number of the backup to restore" in done.stdout
    (record,) = site.catalog.restores()
    assert record.backup == site.backups()[1].id
    assert database.row_counts()["orders"] == 2000
    database.server.execute(f'drop database "{record.replaced_database}" with (force)')


def test_a_person_who_types_something_else_is_heard(site: Site, database: Database) -> None:
    refused = at_a_terminal(site, "restore", types="1\nno\n")
    assert refused.returncode == errors.ConfigError.exit_code
    assert "'no' is not" in refused.stderr
    assert names(database) == {database.name}


def test_a_person_is_asked_before_a_lost_database_comes_back(site: Site, database: Database) -> None:
    database.drop()
    refused = at_a_terminal(site, "restore", types="1\n\n")
    assert refused.returncode == errors.ConfigError.exit_code
    assert "Nobody said yes; nothing was touched." in refused.stderr
    assert names(database) == set()
    done = at_a_terminal(site, "restore", types="1\nyes\n")
    assert done.returncode == 0, done.stderr
    assert database.row_counts()["orders"] == 2000


def test_nobody_is_asked_where_nobody_sits(site: Site, database: Database) -> None:
    site.plans = {**site.plans, "other": plan(databases=["postgres"])}
    site.write()
    site.made("other")
    refused = site.run("restore")
    assert refused.returncode == errors.ConfigError.exit_code
    assert "'latest' fits 2 databases" in refused.stderr
    assert "→ Name one with --database or --plan, or a backup by its id" in refused.stderr
    assert names(database) == {database.name}


def test_a_lost_table(site: Site, database: Database) -> None:
    database.execute("drop table orders")
    done = site.run("restore", "latest", "--table", "public.orders")
    assert done.returncode == 0, done.stderr
    assert database.row_counts()["orders"] == 2000
    assert names(database) == {database.name}
