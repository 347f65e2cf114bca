"""A backup that is not what was stored: found out before the live database is touched."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_runner.system import streams
from tests.integration.restore import places
from tests.support.backups import Site
from tests.support.databases import Database


def flip(path: Path) -> None:
    """Turns one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def cut(path: Path) -> None:
    """Takes the last byte of a file away."""
    os.truncate(path, path.stat().st_size - 1)


@pytest.mark.parametrize("damage", [flip, cut])
@pytest.mark.parametrize("kind", places.FORMATS)
def test_a_damaged_backup_is_found_out_before_anything_is_touched(
    kind: str, damage: Callable[[Path], None], database: Database, tmp_path: Path
) -> None:
    place = places.site(tmp_path, database.server, database.name, format=kind)
    made = places.backup(place)
    there = places.databases(database.server)
    for stored in made.files:
        path = place.path(made) / stored.path
        whole = path.read_bytes()
        damage(path)
        with pytest.raises(errors.PgbackstopError, match="is damaged") as caught:
            places.restore(place)
        assert stored.path in caught.value.problem
        path.write_bytes(whole)
    assert places.databases(database.server) == there
    assert places.restores(place) == []


def test_a_missing_and_an_exchanged_file_are_damage(database: Database, place: Site) -> None:
    made = places.backup(place)
    path = place.path(made) / made.files[0].path
    path.rename(path.with_name("aside"))
    with pytest.raises(errors.PgbackstopError, match="is no file"):
        places.restore(place)
    path.symlink_to(path.with_name("aside"))
    with pytest.raises(errors.PgbackstopError, match="is no file"):
        places.restore(place)


def test_a_command_to_psql_in_a_dump_is_refused(database: Database, tmp_path: Path) -> None:
    """Who can write the storage can change the checksums too; the commands of psql could run anything."""
    place = places.site(
        tmp_path, database.server, database.name, format="plain", compression={"method": "none"}
    )
    made = places.backup(place)
    stored = next(each for each in made.files if each.path.endswith(".sql") and each.path != "globals.sql")
    path = place.path(made) / stored.path
    witness = tmp_path / "witness"
    path.write_bytes(
        path.read_bytes().replace(b"\nCREATE TABLE", f"\n\\! touch {witness}\nCREATE TABLE".encode(), 1)
    )
    changed = tuple(streams.digest(path, each.path) if each == stored else each for each in made.files)
    place.catalog.put(made.evolve(files=changed))
    with pytest.raises(errors.PgbackstopError, match="command for psql"):
        places.restore(place)
    assert not witness.exists()


def test_rows_that_are_not_those_of_the_record_stop_the_swap(database: Database, place: Site) -> None:
    made = places.backup(place)
    counts = {**(made.row_counts or {}), "public.orders": 2001}
    place.catalog.put(made.evolve(row_counts=counts))
    with pytest.raises(errors.PgbackstopError, match=r"public\.orders has 2000 instead of 2001"):
        places.restore(place)
    (record,) = places.restores(place)
    assert [check.name for check in record.checks if not check.ok] == ["rows"]
    assert record.scratch_database not in places.databases(database.server)
    assert database.row_counts()["orders"] == 2000
