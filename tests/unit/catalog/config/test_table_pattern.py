"""Patterns of tables, read as psql and pg_dump do."""

import pytest

from pgbackstop_catalog.config import table_pattern


@pytest.mark.parametrize(
    ("pattern", "schema", "table", "means"),
    [
        ("public.log_*", "public", "log_a", True),
        ("public.log_*", "public", "log_", True),
        ("public.log_*", "audit", "log_a", False),
        ("public.log_?", "public", "log_ab", False),
        ("*.session", "any where", "session", True),
        ("PUBLIC.Log", "public", "log", True),
        ('public."Log"', "public", "Log", True),
        ('public."Log"', "public", "log", False),
        ('public."a.b*"', "public", "a.b*", True),
        ('public."a.b*"', "public", "a.bc", False),
        ('public."a""b"', "public", 'a"b', True),
        ("public.log_[0-9]+", "public", "log_27", True),
        ("public.(a|b)", "public", "b", True),
        ("public.a$", "public", "a$", True),
        ("public.a*", "public", "a\nb", True),
    ],
)
def test_a_pattern_means(pattern: str, schema: str, table: str, means: bool) -> None:
    assert table_pattern.parse(pattern).matches(schema, table) is means


@pytest.mark.parametrize("pattern", ["", "log", "a.b.c", ".a", "a.", 'public."a', "public.(a", "public.[a"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"no pattern|must name a schema|does not end"):
        table_pattern.parse(pattern)
