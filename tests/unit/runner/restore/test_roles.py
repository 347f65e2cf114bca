"""The roles of globals.sql: as pg_dumpall writes them, whatever they are called."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_runner.formats.dump_files import GLOBALS
from pgbackstop_runner.restore import roles

# As pg_dumpall 17 --globals-only writes it.
SCRIPT = '''\
--
-- PostgreSQL database cluster dump
--

SET default_transaction_read_only = off;
SET client_encoding = 'UTF8';

CREATE ROLE app;
ALTER ROLE app WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS PASSWORD 'x';
COMMENT ON ROLE app IS 'CREATE ROLE nobody;
CREATE ROLE somebody;';
CREATE ROLE postgres;
ALTER ROLE postgres WITH SUPERUSER INHERIT CREATEROLE CREATEDB LOGIN REPLICATION BYPASSRLS;
CREATE ROLE "Shop ""Owners""";
ALTER ROLE "Shop ""Owners""" WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB NOLOGIN;

--
-- User Configurations
--

ALTER ROLE app SET search_path TO 'shop', 'public';
ALTER ROLE app IN DATABASE shop SET work_mem TO '64MB';

GRANT "Shop ""Owners""" TO app WITH INHERIT TRUE GRANTED BY postgres;
GRANT pg_read_all_data TO postgres WITH INHERIT TRUE GRANTED BY postgres;

CREATE TABLESPACE fast OWNER app LOCATION '/srv/fast';
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / GLOBALS).write_text(SCRIPT)
    return tmp_path


def test_all_roles_and_the_superusers_among_them(folder: Path) -> None:
    found = roles.in_globals(folder)
    assert found.roles == {"app", "postgres", 'Shop "Owners"'}
    assert found.superusers == ("postgres",)


def test_a_member_is_what_it_is_by_its_groups(folder: Path) -> None:
    """Groups of groups as well; what PostgreSQL brings itself is not made by the globals."""
    script = (folder / GLOBALS).read_text()
    more = 'CREATE ROLE top;\nGRANT top TO "Shop ""Owners""" GRANTED BY postgres;\n'
    (folder / GLOBALS).write_text(script + more)
    found = roles.in_globals(folder)
    assert found.with_groups(frozenset({"app", "gone"})) == {"app", "gone", 'Shop "Owners"', "top"}
    assert found.with_groups(frozenset({"postgres"})) == {"postgres"}


def test_only_what_is_about_the_missing_role(folder: Path) -> None:
    """Its attributes, comment, settings and memberships; nothing of others, of databases, of tablespaces."""
    found = roles.statements(folder, frozenset({"app"}))
    assert {name for name, _code in found} == {"app"}
    assert [code.partition(b" app")[0] for _name, code in found] == [
        b"CREATE ROLE",
        b"ALTER ROLE",
        b"COMMENT ON ROLE",
        b"ALTER ROLE",
        b'GRANT "Shop ""Owners""" TO',
    ]
    assert found[3][1] == b"ALTER ROLE app SET search_path TO 'shop', 'public';"


def test_a_membership_belongs_to_the_member(folder: Path) -> None:
    found = roles.statements(folder, frozenset({'Shop "Owners"'}))
    assert [code.split(b" WITH")[0] for _name, code in found] == [
        b'CREATE ROLE "Shop ""Owners""";',
        b'ALTER ROLE "Shop ""Owners"""',
    ]


@pytest.mark.parametrize("name", ["ap", '"Shop "'])
def test_the_beginning_of_a_name_is_another_name(folder: Path, name: str) -> None:
    assert name not in roles.in_globals(folder).roles
    assert roles.statements(folder, frozenset({name})) == []


def test_a_role_that_is_nowhere(folder: Path) -> None:
    assert roles.statements(folder, frozenset({"nobody", "somebody"})) == []


@pytest.mark.parametrize(
    ("grant", "given"),
    [
        (b"", b""),
        (b" WITH ADMIN OPTION", b" WITH ADMIN OPTION"),
        (b" WITH INHERIT TRUE", b" WITH INHERIT TRUE, SET TRUE"),
        (b" WITH INHERIT FALSE", b" WITH SET TRUE"),
        (b" WITH INHERIT FALSE, SET FALSE", b""),
        (b" WITH ADMIN OPTION, INHERIT TRUE, SET FALSE", b" WITH ADMIN OPTION, INHERIT TRUE"),
    ],
)
def test_a_further_grant_takes_nothing_away(grant: bytes, given: bytes) -> None:
    membership = b'GRANT club TO "a WITH SET FALSE, b"'
    assert roles.added(membership, membership + grant + b";") == membership + given + b";"


@given(
    names=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), unique=True)
)
def test_every_name_is_read_as_it_is_called(
    names: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("globals")
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    script = "".join(f"CREATE ROLE {name};\nALTER ROLE {name} WITH SUPERUSER LOGIN;\n" for name in quoted)
    (folder / GLOBALS).write_bytes(script.encode())
    found = roles.in_globals(folder)
    assert found.roles == set(names)
    assert found.superusers == tuple(names)
    created = roles.statements(folder, frozenset(names))
    assert [name for name, code in created if code.startswith(b"CREATE")] == names
