"""The exporter's account reads the catalog and the names of backups, and no backup."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import backups, places
from tests.support.backups import Site
from tests.support.databases import Database

START = Path(__file__).parents[3] / "compose" / "runner" / "start.sh"
EXPORTER = {"user": 61234, "group": 61235, "extra_groups": []}
GROUP = 61235
_LOOK = """
import json, os, sys
names, read = [], []
for folder, folders, files in os.walk(sys.argv[1]):
    names += [os.path.join(folder, name) for name in folders]
    for name in files:
        path = os.path.join(folder, name)
        try:
            open(path, "rb").close()
            read.append(path)
        except PermissionError:
            pass
print(json.dumps([names, read]))
"""

pytestmark = pytest.mark.root


@pytest.fixture
def folder() -> Iterator[Path]:
    made = places.make()
    yield made
    places.remove(made)


def seen(store: Path) -> tuple[set[str], set[str]]:
    """Folders that the exporter's account sees below the storage, and files that it can read."""
    done = subprocess.run(
        ["/usr/bin/python3", "-c", _LOOK, str(store)],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
        **EXPORTER,  # type: ignore[call-overload]
    )
    names, read = (
        {str(Path(each).relative_to(store)) for each in found} for found in json.loads(done.stdout)
    )
    return names, read


def made(database: Database, folder: Path, *, shared: bool) -> Site:
    store = folder / "site" / "store"
    store.mkdir(parents=True)
    store.chmod(0o700)
    if shared:
        os.chown(store, -1, GROUP)
        store.chmod(0o750)
    plans = {
        kind: backups.plan(databases=[database.name], format=kind)
        for kind in ("custom", "directory", "plain")
    }
    site = Site(folder=folder / "site", server=database.server, plans=plans)
    site.folder.chmod(0o755)
    for name in plans:
        done = site.run("backup", name)
        assert done.returncode == 0, done.stderr
    return site


def records(site: Site) -> set[str]:
    return {
        str(each.relative_to(site.store)) for each in (site.store / "catalog" / "backups").rglob("*.json")
    }


def stored(site: Site) -> set[str]:
    """The folders of the backups."""
    return {str(site.path(each).relative_to(site.store)) for each in site.backups()}


def test_a_shared_storage(database: Database, folder: Path) -> None:
    site = made(database, folder, shared=True)
    names, read = seen(site.store)
    assert len(records(site)) == 3
    assert records(site) <= read
    assert {each for each in read if not each.startswith("catalog/")} == {"storage.json"}
    assert stored(site) <= names


def test_a_storage_of_before_is_taken_over_by_the_stack(database: Database, folder: Path) -> None:
    site = made(database, folder, shared=False)
    assert seen(site.store) == (set(), set())
    programs = folder / "programs"
    programs.mkdir()
    (programs / "pgbackstop").symlink_to("/bin/true")
    for _ in range(2):
        subprocess.run(
            ["/bin/sh", START, site.store],
            check=True,
            env={"PATH": f"{programs}:/usr/bin:/bin"},
            group=GROUP,
        )
        names, read = seen(site.store)
        assert records(site) <= read
        assert {each for each in read if not each.startswith("catalog/")} == {"storage.json"}
        assert stored(site) <= names
