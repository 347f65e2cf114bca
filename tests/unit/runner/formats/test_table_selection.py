"""Which tables a selection means, read from the dump's own words."""

import pytest

from pgbackstop_catalog import errors
from pgbackstop_runner.formats import table_selection
from pgbackstop_runner.formats.dump_metadata import DumpMetadata
from tests.support import factories

STATEMENTS = (
    b"ALTER TABLE ONLY public.days ATTACH PARTITION public.days_24 DEFAULT;",
    b"ALTER TABLE ONLY public.items\n    ADD CONSTRAINT item FOREIGN KEY (o) REFERENCES public.orders(id);",
    b'ALTER TABLE ONLY "My ""S"."a) b"\n    ADD CONSTRAINT "k 1" FOREIGN KEY ("x) REFERENCES y", b)'
    b" REFERENCES public.orders(id, b) ON DELETE CASCADE;",
    b"ALTER TABLE public.days\n    ADD CONSTRAINT days_order FOREIGN KEY (o) REFERENCES public.orders(id);",
    b"ALTER TABLE ONLY public.orders\n    ADD CONSTRAINT again FOREIGN KEY (o) REFERENCES public.orders(id);",
    b"ALTER TABLE ONLY public.seats\n    ADD CONSTRAINT seat FOREIGN KEY (id, PERIOD at)"
    b" REFERENCES public.halls(id, PERIOD at);",
    b"ALTER TABLE ONLY public.items\n    ADD CONSTRAINT no_key CHECK ((a > 0));",
)  # fmt: skip
ROWS = {"public.orders": 3, "public.items": 9, "public.days_24": 5, '"My ""S"."a) b"': 1, "public.halls": 2}


def chosen(
    *tables: str,
    schemas: tuple[str, ...] = (),
    rows: dict[str, int] | None = ROWS,
    uncounted: tuple[str, ...] = (),
) -> table_selection.TableSelection:
    found = DumpMetadata()
    for statement in STATEMENTS:
        found.note(statement)
    backup = factories.backup(1, row_counts=rows, uncounted=uncounted)
    return table_selection.choose(backup, found, tables, schemas)


def test_keys_of_the_table_and_those_of_others_that_point_to_it() -> None:
    found = chosen("public.orders")
    assert found.tables == {"public.orders": 3}
    assert [key.name for key in found.own_keys] == ["again"]
    others = [(key.table, key.name) for key in found.other_keys]
    assert others == [
        ("public.items", "item"),
        ('"My ""S"."a) b"', "k 1"),
        ("public.days", "days_order"),
    ]


def test_a_partitioned_table_is_its_partitions_and_has_their_keys() -> None:
    found = chosen("public.days")
    assert found.tables == {"public.days_24": 5}
    assert [key.name for key in found.own_keys] == ["days_order"]
    assert found.other_keys == ()


def test_a_key_between_two_of_them_belongs_to_them() -> None:
    found = chosen("public.orders", "public.items")
    assert [key.name for key in found.own_keys] == ["item", "again"]
    assert "item" not in [key.name for key in found.other_keys]


def test_a_key_over_periods() -> None:
    assert [key.name for key in chosen("public.halls").other_keys] == ["seat"]


def test_quotes_may_be_left_out_or_added() -> None:
    assert chosen('"public".orders').tables == {"public.orders": 3}
    assert chosen(schemas=('My "S',)).tables == {'"My ""S"."a) b"': 1}


@pytest.mark.parametrize(
    ("tables", "schemas", "words"),
    [
        (("public.ordres",), (), r"no table public\.ordres"),
        ((), ("publik",), "no tables in schema 'publik'"),
    ],
)
def test_what_the_backup_does_not_have(tables: tuple[str, ...], schemas: tuple[str, ...], words: str) -> None:
    with pytest.raises(errors.NotFound, match=words):
        chosen(*tables, schemas=schemas)


def test_without_row_counts_nobody_knows_the_tables() -> None:
    with pytest.raises(errors.ValidationError, match="rows were not counted"):
        chosen("public.orders", rows=None)


@pytest.mark.parametrize("rows", [{"public.items": 9}, None])
def test_a_table_that_could_not_be_counted_is_in_the_backup_all_the_same(rows: dict[str, int] | None) -> None:
    assert chosen("public.orders", rows=rows, uncounted=("public.orders",)).tables == {"public.orders": None}
