"""A drill's server preloads what the live server did, as far as this host has it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_catalog.records.attempt import Status
from tests.integration.drill.conftest import drills
from tests.support import backups, binaries, databases, places
from tests.support.backups import Site
from tests.support.fixtures import MakeServer

# Its view refuses whoever asks without the library; pg_prewarm has a worker.
SETTINGS = {"shared_preload_libraries": "pg_stat_statements, pg_prewarm"}
NEEDS_THE_LIBRARY = """
    create extension pg_stat_statements;
    create materialized view calls as select count(*) from pg_stat_statements;
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    made = places.make()
    yield made
    places.remove(made)


@pytest.mark.parametrize("major", binaries.MAJORS)
def test_what_only_a_preloaded_library_can_restore(major: int, make_server: MakeServer, folder: Path) -> None:
    server = make_server(major, settings=SETTINGS)
    database = databases.clone(server)
    server.execute(NEEDS_THE_LIBRARY, database.name)
    plans = {
        "rows": backups.plan(databases=[database.name]),
        "base": backups.plan("physical"),
    }
    site = Site(folder=folder / "site", server=server, plans=plans)
    for name in plans:
        site.make(name)
        done = site.run("drill", name)
        assert done.returncode == 0, done.stderr
    assert {(proof.plan, proof.status) for proof in drills(site)} == {
        ("rows", Status.SUCCEEDED),
        ("base", Status.SUCCEEDED),
    }
    for proof in drills(site):
        details = {check.name: check.detail for check in proof.checks}
        assert details["libraries"] == "preloaded: pg_stat_statements, pg_prewarm"


def test_a_library_that_is_not_here_is_named(site: Site) -> None:
    made = site.newest()
    assert made.server_facts is not None
    facts = made.server_facts.evolve(preload_libraries=("pg_cron", "pg_prewarm"))
    site.catalog.put(made.evolve(server_facts=facts))
    assert site.run("drill", "daily").returncode == 0
    details = {check.name: check.detail for check in drills(site)[0].checks}
    assert details["libraries"] == "preloaded: pg_prewarm; not on this host: pg_cron"
