"""Rows are counted right however the text is cut into pieces."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_runner.formats.copy_rows import Name, Scanner, differences, parse

ANNOUNCED = "--\n-- Data for Name: {table}; Type: TABLE DATA; Schema: s; Owner: o\n--\n\n"
TEXT = (
    "SET client_encoding = 'UTF8';\nCOPY public.fake (a) FROM stdin;\n"
    + ANNOUNCED.format(table="a")
    + "COPY s.a (n, t) FROM stdin;\n1\tx\n2\t\\N\n3\tCOPY s.x (n) FROM stdin;\n\\.\n\n\n"
    + ANNOUNCED.format(table="b c")
    + 'COPY s."b c ""(d"  FROM stdin;\n\\.\n\n\n'
    + "-- Data for Name: v; Type: TABLE DATA; Schema: s; Owner: o\n--\n\nINSERT INTO s.v VALUES (1);\n"
    + ANNOUNCED.format(table="e")
    + "COPY s.e FROM stdin;\n\n\\\\.\n\n\\.\n\n\n-- PostgreSQL database dump complete\n"
).encode()
FOUND = [(Name("s", "a"), 3), (Name("s", 'b c "(d'), 0), (Name("s", "e"), 3)]


@given(st.lists(st.integers(0, len(TEXT)), max_size=20))
def test_in_any_pieces(cuts: list[int]) -> None:
    scanner = Scanner()
    places = [0, *sorted(cuts), len(TEXT)]
    for start, end in itertools.pairwise(places):
        scanner.write(memoryview(TEXT)[start:end])
    assert scanner.found == FOUND
    assert scanner.unfinished is None


@given(st.integers(0, len(TEXT)))
def test_cut_off(length: int) -> None:
    """What is complete is counted, and never more; within rows it says so."""
    scanner = Scanner()
    scanner.write(TEXT[:length])
    # A row of nothing but two backslashes and a dot is no end.
    assert scanner.found == FOUND[: len(scanner.found)]
    inside = any(
        TEXT.find(head) + len(head) <= length < TEXT.find(b"\n\\.\n", TEXT.find(head)) + 4
        for head in (b"(n, t) FROM stdin;\n", b'(d"  FROM stdin;\n', b"s.e FROM stdin;\n")
    )
    assert (scanner.unfinished is not None) is inside


@pytest.mark.parametrize(
    ("quoted", "name"),
    [
        ("public.orders", Name("public", "orders")),
        ('public.orders (id, "FROM stdin;")', Name("public", "orders")),
        ('"my schema"."a.b ""c"" (d)" (n)', Name("my schema", 'a.b "c" (d)')),
        ("s.größe", Name("s", "größe")),
        ('s."two\nlines"  ', Name("s", "two\nlines")),
        ("nonsense", Name("", "nonsense")),
    ],
)
def test_names(quoted: str, name: Name) -> None:
    assert parse(quoted) == name


def test_differences() -> None:
    found = [(Name("s", "a"), 3), (Name("s", "Gr\ufffd\ufffde"), 7), (Name("s", "config"), 1)]
    assert differences({"s.a": 3, 's."Größe"': 7}, found) == ()
    assert differences({"s.a": 4}, found) == ("s.a has 3 of 4 rows",)
    assert differences({"s.b": 0}, found) == ("s.b is missing (0 rows)",)
    assert differences({'s."Größe"': 7, 's."Länge"': 7}, found) == ("s.Länge is missing (7 rows)",)
    assert differences({"s.plain": 7}, found) == ("s.plain is missing (7 rows)",)
