"""What lies in the catalog and is no record keeps nobody from a backup, a restore or a recovery."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import backups, places
from tests.support.backups import Site
from tests.support.databases import Database

DEEP = '{"a": ' * 60_000 + "1" + "}" * 60_000
SPOIL: dict[str, Callable[[Path], object]] = {
    "deep": lambda path: path.write_text(DEEP),
    "cut": lambda path: path.write_text('{"version": 1, "id": '),
    "numbers": lambda path: path.write_text('{"version": 1, "size_bytes": NaN, "duration_seconds": 1e999}'),
    "binary": lambda path: path.write_bytes(os.urandom(2000)),
    "pipe": os.mkfifo,
    "folder": lambda path: path.mkdir(),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "circle": lambda path: path.symlink_to(path),
    "large": lambda path: path.write_bytes(b" " * 2**23),
}


@pytest.fixture
def site(database: Database) -> Iterator[Site]:
    folder = places.make()
    plans = {"rows": backups.plan(databases=[database.name]), "base": backups.plan("physical")}
    made = Site(folder=folder / "site", server=database.server, plans=plans)
    for name in plans:
        made.make(name)
    yield made
    places.remove(folder)


def spoilt(catalog: Path) -> list[Path]:
    """Every kind of it in every folder of records, and in place of what belongs to states."""
    folders = [each for each in catalog.rglob("*") if each.is_dir() and "locks" not in each.parts]
    made = []
    for folder in folders:
        for number, (name, spoil) in enumerate(SPOIL.items()):
            for path in (folder / f"20261122T000000Z-{number:08x}.json", folder / f"{name}.json"):
                spoil(path)
                made.append(path)
    for name in (".snapshot", "lost+found", "@eaDir"):
        (catalog / "backups" / name).mkdir()
    (catalog / "state").mkdir(exist_ok=True)
    (catalog / "state" / "scheduler.json").write_text(DEEP)
    return made


def test_all_that_writes_goes_on(site: Site, database: Database) -> None:
    assert spoilt(site.catalog.root)
    copy = f"{database.name}_copy"
    for words in (
        ("backup", "rows"),
        ("backup", "base"),
        ("verify", "rows"),
        ("restore", "latest", "--plan", "rows", "-d", database.name, "--into", copy),
        ("drill", "rows"),
        ("recover", "main", "--into", str(site.folder.parent / "recovered")),
        ("expire", "--dry-run"),
    ):
        done = site.run(*words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
    database.server.execute(f'drop database "{copy}" with (force)')
