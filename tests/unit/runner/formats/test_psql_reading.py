"""What psql would read in another way is found, and written so that it does not."""

import pytest

from pgbackstop_runner.formats import psql_reading

ATOMIC = b"CREATE FUNCTION a.f() RETURNS integer\n    LANGUAGE sql\n    BEGIN ATOMIC\n %s;\nEND;"


@pytest.mark.parametrize(
    ("dumped", "meant"),
    [
        (
            b"CREATE FUNCTION a.begin() RETURNS a.begin AS $$ begin $$;",
            b'CREATE FUNCTION a."begin"() RETURNS a."begin" AS $$ begin $$;',
        ),
        (b"CREATE PROCEDURE begin.p()\n AS $_$ begin", b'CREATE PROCEDURE "begin".p()\n AS $_$ begin'),
        (ATOMIC % b"SELECT 1 FROM a.begin atomic", ATOMIC % b'SELECT 1 FROM a."begin" atomic'),
        (ATOMIC % b"SELECT f(begin), begin", ATOMIC % b'SELECT f(begin), "begin"'),
        (b'CREATE VIEW a.v AS SELECT x[1:"USER"] FROM t;', b'CREATE VIEW a.v AS SELECT x[1: "USER"] FROM t;'),
    ],
)
def test_what_psql_would_misread(dumped: bytes, meant: bytes) -> None:
    assert psql_reading.is_misread(dumped)
    assert psql_reading.as_meant(dumped) == meant
    assert not psql_reading.is_misread(meant)


@pytest.mark.parametrize(
    "dumped",
    [
        b'CREATE FUNCTION a."begin"() RETURNS integer AS $f$ begin :"USER" $f$;',
        b"CREATE FUNCTION a.f(begin integer DEFAULT b(1)) RETURNS text AS 'begin '' begin';",
        b"CREATE FUNCTION a.begin_1(), a.the_begin, a.begin$x, \xc3\xa9begin, begin\xc3\xa9;",
        b"CREATE FUNCTION a.f() SET search_path TO E'\\'', 'begin' AS '';",
        ATOMIC % b"SELECT CASE WHEN true THEN 1 END AS beginning",
        b"CREATE TABLE a.begin (begin integer);",
        b'''CREATE VIEW a.v AS SELECT ':"USER"', x::"USER", ":""USER""", x[1:"user"] FROM t;''',
    ],
)
def test_what_it_reads_as_it_is_meant(dumped: bytes) -> None:
    assert not psql_reading.is_misread(dumped)
