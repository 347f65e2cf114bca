"""A site with a good logical backup, and what a drill may leave of itself."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.records.proof import Proof
from tests.support import backups, databases, places
from tests.support.backups import Site
from tests.support.databases import Database


def drills(site: Site) -> list[Proof]:
    """The drills on record, the newest first."""
    return [proof for proof in site.proofs() if proof.proof == "drill"]


def remains(site: Site) -> list[str]:
    """Folders, notes and processes of drills of this site; a clean end leaves none."""
    known = {proof.id for proof in drills(site)}
    found = [str(path) for name in known for path in _folders(site, name) if path.exists()]
    found += [str(path) for path in site.catalog.root.glob("state/drills/*/*")]
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return found + [line for line in listed.splitlines() if any(name in line for name in known)]


def _folders(site: Site, drill_id: str) -> Iterator[Path]:
    for parent in (site.store / "drills", Path("/var/tmp"), Path("/tmp")):  # noqa: S108 - looked at
        yield parent / f"pgbackstop-drill-{drill_id}"


def backed_up(database: Database, folder: Path, **plan: Any) -> Site:
    """A site with one good logical backup of the database."""
    plans = {"daily": backups.plan(databases=[database.name], **plan)}
    site = Site(folder=folder, server=database.server, plans=plans)
    (made,) = site.make("daily")
    assert made.is_available, made.message
    return site


@pytest.fixture
def site(database: Database) -> Iterator[Site]:
    """The small shop on the default version, backed up."""
    folder = places.make()
    yield backed_up(database, folder / "site")
    places.remove(folder)


@pytest.fixture(params=["pg15", "pg18"])
def edge(request: pytest.FixtureRequest) -> Iterator[Site]:
    """The same on the oldest and the newest version."""
    folder = places.make()
    database = databases.clone(request.getfixturevalue(request.param))
    yield backed_up(database, folder / "site")
    database.drop()
    places.remove(folder)
