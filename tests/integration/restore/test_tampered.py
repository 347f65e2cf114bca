"""A plain dump that somebody changed, with its hashes and its record: psql obeys no command in it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import backups, places
from tests.support.backups import Site
from tests.support.databases import Database

# MARK is a file that the command would make; each got round a check of ours once.
COMMANDS = {
    "arguments are expanded": "\\restrict `touch MARK`\n",
    "strings end elsewhere": "SET standard_conforming_strings = off;\nSELECT '\\'';\n\\! touch MARK\n--';\n",
    "the same by a function": (
        "select pg_catalog.set_config('standard_conforming_strings', 'off', false);\n"
        "SELECT '\\'';\n\\! touch MARK\n--';\n"
    ),
    "in a block": (
        "create function public.f() returns int begin atomic select 1;\n"
        "COPY public.nothing FROM stdin;\n\\! touch MARK\n\\.\nend;\n"
    ),
    "rows of a name that begins a block": (
        "create table public.t (n text);\n"
        "create function public.begin() returns int language sql as 'select 1';\n"
        "COPY public.t (n) FROM stdin;\n\\! touch MARK\n\\.\n"
    ),
}


@pytest.fixture
def folder() -> Iterator[Path]:
    made = places.make()
    made.chmod(0o777)  # the mark could be made by anybody
    yield made
    places.remove(made)


def tampered(database: Database, folder: Path, text: str) -> Site:
    """A site whose only dump has the text in it, and whose record knows it."""
    plans = {"daily": backups.plan(databases=[database.name], format="plain", compression={"method": "none"})}
    site = Site(folder=folder / "site", server=database.server, plans=plans)
    (made,) = site.make("daily")
    (dump,) = (path for path in site.path(made).glob("*.sql") if path.name != "globals.sql")
    content = dump.read_bytes()
    place = content.index(b"\nCREATE TABLE")
    dump.write_bytes(content[:place] + b"\n" + text.encode() + content[place:])
    changed = {"size_bytes": dump.stat().st_size, "sha256": hashlib.sha256(dump.read_bytes()).hexdigest()}
    files = tuple(each.evolve(**changed) if each.path == dump.name else each for each in made.files)
    site.catalog.put(made.evolve(files=files))
    return site


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_of_it_is_obeyed(database: Database, folder: Path, name: str) -> None:
    mark, copy = folder / "mark", f"{database.name}_copy"
    site = tampered(database, folder, COMMANDS[name].replace("MARK", str(mark)))
    for words in (("restore", "latest", "-d", database.name, "--into", copy), ("drill", "daily")):
        done = site.run(*words)
        # A \\restrict of somebody else's is left out, and the rest is a good dump.
        assert (done.returncode == 0) == ("arguments" in name), (words, done.stderr)
        assert backups.sentence(done) or done.returncode == 0
        assert not mark.exists()
    database.server.execute(f'drop database if exists "{copy}" with (force)')
