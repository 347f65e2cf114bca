"""One encoding inside, the dump's client_encoding at its edges: names in every encoding that a server has."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_runner.formats import dump_metadata, names
from pgbackstop_runner.postgres import client_programs
from tests.integration.drill.conftest import drills
from tests.integration.restore import places as sites
from tests.support import backups, places
from tests.support.backups import Site
from tests.support.databases import Database
from tests.support.servers import Server

# https://www.postgresql.org/docs/current/multibyte.html: those that a server may have, and a word in each.
WORDS = {
    "UTF8": "Größe Ж 表",
    "SQL_ASCII": "Größe Ж 表",
    **dict.fromkeys(
        ["LATIN1", "LATIN2", "LATIN3", "LATIN4", "LATIN5", "LATIN6", "LATIN7", "LATIN8"], "Größe"
    ),
    **dict.fromkeys(["LATIN9", "LATIN10", "WIN1250", "WIN1252", "WIN1254", "WIN1257", "WIN1258"], "Größe"),
    **dict.fromkeys(["ISO_8859_5", "KOI8R", "KOI8U", "WIN866", "WIN1251"], "Таблица"),
    **dict.fromkeys(["ISO_8859_7", "WIN1253"], "Πίνακας"),
    **dict.fromkeys(["ISO_8859_6", "WIN1256"], "جدول"),
    **dict.fromkeys(["ISO_8859_8", "WIN1255"], "טבלה"),
    "WIN874": "ตาราง",
    "EUC_JP": "表－①～",  # noqa: RUF001 - letters that PostgreSQL and Python map in different ways
    "EUC_JIS_2004": "表の名前",
    "EUC_KR": "테이블",
    "EUC_CN": "数据库表",
}
CONTENT = """
    create schema "{word} a";
    create table "{word} a"."{word}" ("{word}" int generated always as identity primary key, below int);
    insert into "{word} a"."{word}" (below) values (7), (8);
    create table "{word} a".other (n int constraint "{word} key" references "{word} a"."{word}");
    insert into "{word} a".other values (1);
    alter table "{word} a"."{word}" add constraint "{word} c" check (below < 5) not valid;
    create table "{word} a"."{word} p" (n int) partition by range (n);
    create table "{word} a"."{word} 1" partition of "{word} a"."{word} p" for values from (0) to (9);
    insert into "{word} a"."{word} 1" values (1);
"""


EVERY_LETTER = """
    create function pg_temp.letter(raw bytea, encoding text) returns text language plpgsql as $$
    begin return convert_from(raw, encoding); exception when others then return null; end $$
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    made = places.make()
    yield made
    places.remove(made)


def create(server: Server, encoding: str) -> Database:
    name = f"in_{encoding.lower()}"
    server.execute(f"create database {name} encoding '{encoding}' template template0 locale 'C'")
    made = Database(server=server, name=name)
    with made.connect() as connection:
        connection.execute("set client_encoding to 'UTF8'")
        connection.execute(CONTENT.format(word=WORDS[encoding]).encode())
    return made


@pytest.mark.parametrize("encoding", WORDS)
def test_names_of_a_dump_are_read_in_its_encoding(pg17: Server, folder: Path, encoding: str) -> None:
    word = WORDS[encoding]
    database = create(pg17, encoding)
    dump = folder / "dump.backup"
    argv = [str(pg17.programs.tool("pg_dump")), "-Fc", f"--file={dump}", f"--encoding={encoding}"]
    subprocess.run(argv, env={**database.environment, "PATH": backups.SYSTEM_PATH}, check=True)
    found = dump_metadata.read(client_programs.find(17, pg17.programs.folder), dump, plain=False)
    database.drop()
    table = f'"{word} a"."{word}"'
    assert found.not_valid == {(table, f"{word} c")}
    assert [(key.name, key.points_to) for key in found.foreign_keys] == [(f"{word} key", table)]
    assert list(found.sequences) == [f'"{word} a"."{word}_{word}_seq"']
    assert found.partitions == {f'"{word} a"."{word} 1"': f'"{word} a"."{word} p"'}


@pytest.mark.parametrize("encoding", sorted(WORDS.keys() - {"UTF8", "SQL_ASCII"}))
def test_every_letter_is_what_postgresql_calls_it(pg17: Server, encoding: str) -> None:
    trails = range(0xA1, 0xFF)
    raw = [bytes([each]) for each in range(0x80, 0x100)]
    if encoding.startswith("EUC_"):
        raw = [bytes([lead, trail]) for lead in range(0x8E, 0xFF) for trail in trails]
        raw += [bytes([0x8F, second, third]) for second in trails for third in trails]
    with pg17.connect() as connection:
        connection.execute(EVERY_LETTER)
        query = "select raw, pg_temp.letter(raw, %s) from unnest(%s::bytea[]) raw"
        found = connection.execute(query, (encoding, raw)).fetchall()
    letters = {bytes(each): str(letter) for each, letter in found if letter}  # type: ignore[call-overload]
    assert len(letters) > 80
    assert {each: names.decoded(each, encoding) for each in letters} == letters
    again = {each: names.encoded(letter, encoding) for each, letter in letters.items()}
    # Some letters have two places.
    assert {each: letters[back] for each, back in again.items()} == letters
    words = b"".join(letters)
    assert names.decoded(words, encoding) == "".join(letters.values())


@pytest.mark.parametrize("encoding", ["LATIN1", "EUC_JP", "SQL_ASCII"])
def test_backup_drill_and_a_lost_table(pg18: Server, folder: Path, encoding: str) -> None:
    word = WORDS[encoding]
    database = create(pg18, encoding)
    rows = f'select "{word}", below from "{word} a"."{word}" order by 1'
    with database.connect() as connection:
        connection.execute("set client_encoding to 'UTF8'")
        before = connection.execute(rows.encode()).fetchall()
        plans = {each: backups.plan(databases=[database.name], format=each) for each in sites.FORMATS}
        site = Site(folder=folder / "site", server=pg18, plans=plans)
        for each in sites.FORMATS:
            (backup,) = site.make(each)
            assert backup.is_available, backup.message
            assert (backup.row_counts or {})[f'"{word} a"."{word}"'] == 2
            done = site.run("drill", each)
            assert done.returncode == 0, done.stderr
            assert any("as at the source" in check.detail for check in drills(site)[0].checks)
            connection.execute(f'drop table "{word} a"."{word}" cascade'.encode())
            table = f'"{word} a"."{word}"'
            done = site.run("restore", backup.id, "--table", table)
            assert done.returncode == 0, done.stderr
            assert connection.execute(rows.encode()).fetchall() == before
            assert "left out" not in done.stderr
    database.drop()
