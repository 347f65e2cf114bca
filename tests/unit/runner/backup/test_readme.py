"""The commands of RESTORE.md as lists; that they work is tested on real servers."""

from datetime import UTC, datetime
from pathlib import Path
from shlex import split

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog.records.backup import StoredFile
from pgbackstop_catalog.records.ids import new_id
from pgbackstop_catalog.records.source import Tablespace
from pgbackstop_catalog.store import layout
from pgbackstop_runner.backup import readme
from tests.support import factories

NOW = datetime(2026, 11, 22, tzinfo=UTC)
FILES = ("16400.tar.zst", "backup_manifest", "base.tar.zst", "pg_wal.tar.gz")


@pytest.mark.parametrize(
    ("dump", "last"),
    [
        ("a.backup", "pg_restore --create --exit-on-error --jobs=3 -d postgres ./a.backup"),
        ("-a.dir", "pg_restore --create --exit-on-error --jobs=3 -d postgres ./-a.dir"),
        ("a.sql", "cat ./a.sql | psql -X -v ON_ERROR_STOP=1 -d postgres"),
        ("a.sql.zst", "zstd -dc ./a.sql.zst | psql -X -v ON_ERROR_STOP=1 -d postgres"),
        ("app.sqlite.backup", "pg_restore --create --exit-on-error --jobs=3 -d postgres ./app.sqlite.backup"),
        ("globals.sql.dir", "pg_restore --create --exit-on-error --jobs=3 -d postgres ./globals.sql.dir"),
        ("a.backup.sql", "cat ./a.backup.sql | psql -X -v ON_ERROR_STOP=1 -d postgres"),
        ("a%20b.sql.gz", "gzip -dc ./a%20b.sql.gz | psql -X -v ON_ERROR_STOP=1 -d postgres"),
    ],
)
def test_logical(dump: str, last: str) -> None:
    assert readme.logical_commands(dump=dump, jobs=3)[-1] == last


@given(st.text(min_size=1, max_size=63))
def test_a_name_is_one_word_of_one_command(name: str) -> None:
    """Whatever the database is called, its dump is one argument and no option."""
    commands = readme.logical_commands(dump=f"{layout.folder_name(name)}.backup", jobs=1)
    word = split(commands[-1])[-1]
    assert word.startswith("./")
    assert "/" not in word[2:]
    assert all("\n" not in command for command in commands)


def test_physical() -> None:
    spaces = [Tablespace(oid=16400, name="away", location="/mnt/a space")]
    commands = readme.physical_commands(FILES, incremental=False, tablespaces=spaces)
    assert commands[2] == "zstd -dc base.tar.zst | tar -xf - -C /path/to/data"
    assert commands[3].startswith("install -d -m 700 '/mnt/a space' && zstd -dc 16400.tar.zst | tar -xf - -C")
    assert commands[4] == "ln -sfn '/mnt/a space' /path/to/data/pg_tblspc/16400"
    assert commands[5] == "gzip -dc pg_wal.tar.gz | tar -xf - -C /path/to/data/pg_wal"
    assert commands[-1] == "pg_verifybackup /path/to/data && pg_ctl -D /path/to/data start"


def test_incremental_and_unknown_tablespace() -> None:
    commands = readme.physical_commands(FILES, incremental=True)
    assert "/path/to/tablespace-16400" in commands[3]
    assert commands[-1].startswith("pg_combinebackup ")


def test_document(tmp_path: Path) -> None:
    made = factories.backup(
        1,
        server="s",
        database="new\nline",
        parent=new_id(NOW),
        files=(StoredFile(path="a.backup", size_bytes=1, sha256="0" * 64),),
        restore_by_hand=("first", "second"),
        tools={"pg_dump": "17.1"},
    )
    readme.write(tmp_path, made, made.files)
    assert (tmp_path / "SHA256SUMS").read_text() == f"{'0' * 64}  a.backup\n"
    text = (tmp_path / "RESTORE.md").read_text()
    assert "of database new?line on s.\n" in text
    assert "\n    first\n    second\n" in text
    assert f"its parent {made.parent}" in text
