"""Splitting an SQL dump as psql would, however it is read and whatever stands in its quotes."""

import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.formats import database_statements, dump_metadata, sql_script
from pgbackstop_runner.formats.sql_script import Statement

DUMP = rb"""--
-- PostgreSQL database dump; \connect postgres
--

\restrict abc

SET client_encoding = 'UTF8';
CREATE DATABASE "My ""D;B" WITH TEMPLATE = template0 ENCODING = 'UTF8' TABLESPACE = fast;
\connect -reuse-previous=on "dbname='My'"
COMMENT ON DATABASE "My ""D;B" IS 'it''s
\connect elsewhere
; ALTER DATABASE live';
CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $_$ select ';' || $$x;$$ /* ; */ $_$;
CREATE FUNCTION g(foo$bar int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT foo$bar; END;
CREATE OR REPLACE PROCEDURE p(INOUT begin int) LANGUAGE sql
    BEGIN ATOMIC
 SELECT CASE WHEN true THEN ';' END AS "end", ((CASE WHEN true THEN 1 END));
 DELETE FROM t;
END;
CREATE FUNCTION begin() RETURNS text LANGUAGE sql AS $$ BEGIN ATOMIC; $$;
INSERT INTO t VALUES (E'a\';b', 'c\', U&"d;e", $1); /* a /* nested; */ comment; */ SELECT 1;
COPY public.t (a) FROM stdin;
DROP TABLE x;
\\.
\.

COPY public.empty (a) FROM stdin;
\.
GRANT CREATE, CONNECT ON DATABASE "My ""D;B" TO bob;
ALTER ROLE "IN DATABASE x" IN DATABASE "My ""D;B" SET work_mem TO '8MB';
ALTER DATABASE "My ""D;B" CONNECTION LIMIT = 7;
SELECT pg_catalog.setval('public."it''s"', 41, true);
ALTER TABLE ONLY public.t
    ADD CONSTRAINT "c d" CHECK ((a > 0)) NOT VALID;
-- end
"""


class Slow(io.BytesIO):
    """Gives as many bytes a read as it is told, in turn."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        super().__init__(content)
        self._sizes = sizes
        self._turn = 0

    def read(self, _size: int | None = -1, /) -> bytes:
        self._turn += 1
        return super().read(self._sizes[self._turn % len(self._sizes)])


def split(content: bytes, sizes: list[int] | None = None) -> list[Statement]:
    return list(sql_script.pieces(Slow(content, sizes or [1 << 16])))


def statements(pieces: list[Statement]) -> list[bytes]:
    return [piece.code for piece in pieces if piece.kind == "statement"]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_it_does_not_matter_how_it_is_read(sizes: list[int]) -> None:
    whole, slow = split(DUMP), split(DUMP, sizes)
    assert b"".join(piece.text for piece in slow) == DUMP
    assert statements(slow) == statements(whole)
    assert [piece.code for piece in slow if piece.kind == "command"] == [
        b"\\restrict abc\n",
        b"\\connect -reuse-previous=on \"dbname='My'\"\n",
    ]


def test_quotes_bodies_and_rows_are_not_split() -> None:
    found = statements(split(DUMP))
    assert len(found) == 16
    assert any(
        code.startswith(b"CREATE OR REPLACE") and code.endswith(b"DELETE FROM t;\nEND;") for code in found
    )
    assert any(code.startswith(b"CREATE FUNCTION g") and code.endswith(b"foo$bar; END;") for code in found)
    assert any(code.endswith(b"; ALTER DATABASE live';") for code in found)
    assert any(code.startswith(b"INSERT") and code.endswith(b"$1);") for code in found)
    assert not any(code.startswith(b"DROP") for code in found)


@pytest.mark.parametrize(
    "header",
    [b"f(begin atomic)", b'"begin" "atomic"()', b"f() RETURNS begin", b"f(a int DEFAULT (begin atomic))"],
)
def test_what_psql_runs_by_itself_is_never_part_of_a_body(header: bytes) -> None:
    """psql counts begin outside of parentheses and quotes; somebody may have changed the dump."""
    script = b"CREATE FUNCTION " + header + b" AS 'x';\nALTER DATABASE live RENAME TO gone;\n"
    assert statements(split(script))[1:] == [b"ALTER DATABASE live RENAME TO gone;"]


def test_statements_about_the_database_are_known_and_renamed() -> None:
    about = [code for code in statements(split(DUMP)) if database_statements.is_about_database(code)]
    assert [database_statements.renamed(code, b'"new"')[:40] for code in about] == [
        b'CREATE DATABASE "new" WITH TEMPLATE = te',
        b"COMMENT ON DATABASE \"new\" IS 'it''s\n\\con",
        b'GRANT CREATE, CONNECT ON DATABASE "new" ',
        b'ALTER ROLE "IN DATABASE x" IN DATABASE "',
        b'ALTER DATABASE "new" CONNECTION LIMIT = ',
    ]


def test_what_the_blueprint_learns() -> None:
    found = dump_metadata.DumpMetadata()
    for code in statements(split(DUMP)):
        found.note(code)
    create = found.database["create"]
    assert [code.split()[0] for code in create] == [b"CREATE", b"COMMENT", b"ALTER"]
    assert [code.split()[0] for code in found.database["rights"]] == [b"GRANT"]
    assert found.database["close"] == [b'ALTER DATABASE "My ""D;B" CONNECTION LIMIT = 7;']
    assert found.tablespaces == {"fast"}
    assert found.sequences == {'public."it\'s"': (41, True)}
    assert found.not_valid == {("public.t", "c d")}
    assert found.roles == {"bob", "IN DATABASE x"}
    assert b"TABLESPACE" not in database_statements.without_tablespace(create[0])
    assert database_statements.taking_no_connections(create[0]).endswith(b" ALLOW_CONNECTIONS = false;")
    assert database_statements.taking_no_connections(create[1]) == create[1]


@pytest.mark.parametrize(
    ("code", "subject", "owner"),
    [
        (b'ALTER DATABASE "a OWNER TO b" OWNER TO "c ""d";', "owner", 'c "d'),
        (b"ALTER DATABASE a SET x TO ' OWNER TO b;';", "create", ""),
        (b"COMMENT ON DATABASE a IS ' OWNER TO b;';", "create", ""),
        (b"REVOKE CONNECT,TEMPORARY ON DATABASE a FROM PUBLIC;", "rights", ""),
        (b"ALTER DATABASE a IS_TEMPLATE = true;", "close", ""),
        (b"ALTER TABLE a OWNER TO b;", None, ""),
    ],
)
def test_what_a_statement_says_of_its_database(code: bytes, subject: str | None, owner: str) -> None:
    assert database_statements.subject(code) == subject
    assert database_statements.owner(code, "UTF8") == owner


@pytest.mark.parametrize(
    ("code", "named"),
    [
        (b"ALTER LARGE OBJECT 4711 OWNER TO a;", {"a"}),
        (b"ALTER DEFAULT PRIVILEGES FOR ROLE a IN SCHEMA s GRANT SELECT ON TABLES TO b;", {"a", "b"}),
        (b"ALTER DEFAULT PRIVILEGES FOR ROLE a REVOKE ALL ON FUNCTIONS FROM PUBLIC;", {"a"}),
        (b'REVOKE ALL ON FUNCTION s.f() FROM "a TO b";', {"a TO b"}),
        (
            b'CREATE POLICY "x TO y" ON s.t AS RESTRICTIVE FOR SELECT TO a, "b, c" USING (true);',
            {"a", "b, c"},
        ),
        (b"CREATE POLICY p ON s.t USING ((c = ' TO a'));", set()),
        (b"CREATE USER MAPPING FOR a SERVER far OPTIONS (\n    \"user\" 'b'\n);", {"a"}),
        (b"CREATE USER MAPPING FOR public SERVER far;", set()),
        (b"COMMENT ON TABLE s.t IS 'GRANT a TO b';", set()),
    ],
)
def test_the_roles_that_a_statement_names(code: bytes, named: set[str]) -> None:
    found = dump_metadata.DumpMetadata()
    found.note(code)
    assert found.roles == named


@pytest.mark.parametrize(
    "content",
    [b"SELECT 'a", b"SELECT $x$ a;", b"COPY a.b (c) FROM stdin;\n1\n", b"SELECT /* 1", b"SELECT 1", b"-"],
)
def test_a_script_that_is_cut_off_is_corrupt(content: bytes) -> None:
    with pytest.raises(AttemptFailed, match="ends inside"):
        split(content)


MANY = 50_000


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param(b"BEGIN ATOMIC\n" + b" SELECT 1;\n" * MANY + b"END;", id="statements in a body"),
        pytest.param(b"BEGIN ATOMIC\n" + b" SELECT ';';\n" * MANY + b"END;", id="quotes in a body"),
        pytest.param(b"AS $$" + b"x" * (1 << 24) + b"$$;", id="a body"),
        pytest.param(b"AS " + b"1, " * (1 << 20) + b"1;", id="nothing that is special"),
        pytest.param(b"AS " + b"'x' " * MANY + b";", id="strings"),
        pytest.param(b"AS $$$$ " + b"/*" * MANY + b"*/" * MANY + b";", id="comments"),
    ],
)
def test_a_long_statement_is_read_once(statement: bytes) -> None:
    """Whoever may create a function decides how long it is; read in steps of its length, it takes hours."""
    code = b"CREATE FUNCTION public.f() RETURNS text LANGUAGE sql " + statement
    found = dump_metadata.DumpMetadata()
    first, *_ = sql_script.pieces(io.BytesIO(code + b"\nSELECT 1;\n"))
    assert first.code == code
    found.note(first.code)


def test_quotes_of_a_row_are_not_kept() -> None:
    """The statement and the window on the script; a note of each quote would be twenty times as much."""
    script = b"INSERT INTO t VALUES ('" + b"it''s " * MANY + b"');\n"
    tracemalloc.start()
    try:
        kinds = [each.kind for each in sql_script.pieces(io.BytesIO(script))]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert kinds == ["statement", "end"]
    assert peak < 6 * len(script)


def test_a_command_inside_a_statement_is_refused() -> None:
    with pytest.raises(AttemptFailed, match="inside a statement"):
        split(b"SELECT 1 \\! touch x\n;")


@pytest.mark.parametrize("line", [b"\\! touch x\n", b"\\i x\n", b"\\copy a from program 'x'\n"])
def test_other_commands_are_refused(line: bytes) -> None:
    (command, _end) = split(line)
    with pytest.raises(AttemptFailed, match="never writes"):
        dump_metadata.check_command(command)
