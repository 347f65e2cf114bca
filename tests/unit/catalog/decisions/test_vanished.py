"""A backup tells of tables whose rows vanished, and of no others."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog.config.plan import DataLoss
from pgbackstop_catalog.decisions import vanished
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_catalog.records.source import ServerFacts
from pgbackstop_catalog.records.vanished import Acknowledgement, VanishedTable
from tests.support import factories
from tests.support.factories import DAY, NOW, backup

ORDERS = "public.orders"
LIMITS = DataLoss()
PG16 = ServerFacts(version="16.9", version_number=160009, timeline=1)
PG17 = ServerFacts(version="17.5", version_number=170005, timeline=1)


def counted(days_ago: int, rows: Mapping[str, int] | None, **changes: Any) -> Backup:
    return backup(days_ago, NOW - days_ago * DAY, row_counts=rows, server_facts=PG17, **changes)


def series(*counts: int | None) -> list[Backup]:
    """One backup a day with that many orders, the oldest first given, the newest first returned."""
    return [counted(day, _orders(rows)) for day, rows in enumerate(reversed(counts))]


def _orders(rows: int | None) -> dict[str, int]:
    return {} if rows is None else {ORDERS: rows}


def told(*counts: int | None, limits: DataLoss = LIMITS) -> list[str]:
    newest, *earlier = series(*counts)
    return [str(each) for each in vanished.find(newest, earlier, limits)]


def restored(ended: datetime, **changes: Any) -> Restore:
    facts: dict[str, Any] = {"started_at": ended - timedelta(minutes=5), "finished_at": ended}
    return factories.restore_of(backup(0, ended), **{**facts, **changes})


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((1_204_331, 0), ["public.orders: 1,204,331 → 0 rows"]),
        ((1_204_331, None), ["public.orders: 1,204,331 rows → table gone"]),
        ((1000, 499), ["public.orders: 1,000 → 499 rows"]),
        ((1000, 500), []),
        ((999, 0), []),
        ((1000, 5000), []),
        ((None, 5000), []),
        ((5000, 0, 0), []),
        ((5000, None, None), []),
        ((5000,), []),
    ],
)
def test_what_is_told_of_one_table(counts: Sequence[int | None], words: list[str]) -> None:
    assert told(*counts) == words


def test_the_limits_are_the_plan_s() -> None:
    assert told(100, 69, limits=DataLoss(share=0.3, rows=100)) == ["public.orders: 100 → 69 rows"]
    assert told(100, 70, limits=DataLoss(share=0.3, rows=100)) == []
    assert told(5000, 0, limits=DataLoss(enabled=False)) == []


@pytest.mark.parametrize("pattern", ["public.orders", "public.*", "*.ord?rs"])
def test_planned_cleaning_is_quiet(pattern: str) -> None:
    assert told(5000, 0, limits=DataLoss(ignore=(pattern,))) == []
    assert told(5000, 0, limits=DataLoss(ignore=("order*", "public.Orders"))) != []


def test_a_table_that_comes_back_again_and_again_is_learned() -> None:
    assert told(5000, 0) != []
    assert told(5000, 0, 5000, 0) != []
    assert told(5000, 0, 5000, 10, 4800, 0) == []
    assert told(5000, None, 5000, None, 5000, 0) == []


def test_rows_that_never_came_back_teach_nothing() -> None:
    assert told(90_000, 40_000, 19_000, 9_000, 4_000) == ["public.orders: 9,000 → 4,000 rows"]


def test_what_was_not_counted_is_not_gone() -> None:
    full = counted(2, {ORDERS: 5000, "public.items": 9000})
    unknown = counted(1, {"public.items": 9000}, uncounted=(ORDERS,))
    assert vanished.find(unknown, [full], LIMITS) == ()
    assert vanished.find(counted(1, None), [full], LIMITS) == ()
    (lost,) = vanished.find(counted(0, {ORDERS: 1, "public.items": 9000}), [unknown, full], LIMITS)
    assert (str(lost), lost.last_backup) == ("public.orders: 5,000 → 1 rows", full.id)
    (lost,) = vanished.find(counted(0, {ORDERS: 1}, database="shop"), [counted(1, None), full], LIMITS)[1:]
    assert lost.table == ORDERS


def test_a_table_that_an_extension_took_over_is_not_gone() -> None:
    taken = counted(0, {}, undumped={ORDERS: 5000})
    assert vanished.find(taken, [counted(1, {ORDERS: 5000})], LIMITS) == ()


def test_other_backups_are_not_compared_with() -> None:
    others = [
        counted(1, {ORDERS: 5000}, status=Status.FAILED),
        counted(2, {ORDERS: 5000}, database="other"),
        counted(3, {ORDERS: 5000}, plan="hourly"),
        counted(4, {ORDERS: 5000}, server="replica"),
    ]
    assert vanished.find(counted(0, {ORDERS: 0}), others, LIMITS) == ()


def test_no_more_is_read_than_needed() -> None:
    def earlier() -> Iterator[Backup]:
        yield counted(1, {ORDERS: 5000})
        pytest.fail("the second backup was read")

    assert vanished.find(counted(0, {ORDERS: 5000}), earlier(), LIMITS) == ()


def test_a_major_upgrade_compares_with_nothing() -> None:
    newest, before = series(5000, 0)
    assert vanished.find(newest.evolve(server_facts=PG16), [before], LIMITS) == ()
    minor = PG17.evolve(version="17.4", version_number=170004)
    assert vanished.find(newest, [before.evolve(server_facts=minor)], LIMITS) != ()


@pytest.mark.parametrize(
    ("changes", "is_quiet"),
    [
        ({}, True),
        ({"undone_at": NOW - timedelta(hours=1), "finished_at": NOW - 9 * DAY}, True),
        ({"database": "elsewhere"}, True),
        ({"target": "shop_copy", "method": "into"}, False),
        ({"method": "selection"}, False),
        ({"status": Status.FAILED}, False),
        ({"server": "replica"}, False),
        ({"what": "recover", "target": "/srv/recovered"}, False),
    ],
)
def test_a_restore_into_the_database_compares_with_nothing(changes: dict[str, Any], is_quiet: bool) -> None:
    newest, *earlier = series(5000, 5000, 0)
    between = restored(NOW - timedelta(hours=2), **changes)
    found = vanished.find(newest, earlier, LIMITS, restores=[between])
    assert (found == ()) is is_quiet


def test_a_restore_before_the_backup_before_explains_nothing() -> None:
    newest, *earlier = series(5000, 5000, 0)
    assert vanished.find(newest, earlier, LIMITS, restores=[restored(NOW - timedelta(days=1.5))]) != ()


def test_a_recovered_server_compares_with_nothing() -> None:
    newest, before = series(5000, 0)
    recovery = restored(NOW - timedelta(hours=2), what="recover", target="/srv/recovered")
    recovered = newest.evolve(server_facts=PG17.evolve(timeline=2))
    assert vanished.find(recovered, [before], LIMITS, restores=[recovery]) == ()
    assert vanished.find(recovered, [before], LIMITS) != (), "a fail-over loses no rows"


def test_the_last_backup_that_is_kept_and_has_the_rows_is_named() -> None:
    newest, *earlier = series(4000, 5000, 0)
    assert vanished.find(newest, earlier, LIMITS)[0].last_backup == earlier[0].id
    expired = [earlier[0].evolve(expired_at=NOW), earlier[1]]
    assert vanished.find(newest, expired, LIMITS)[0].last_backup == earlier[1].id
    assert vanished.find(newest, expired[:1], LIMITS)[0].last_backup is None


def seen(*counts: int | None) -> list[Backup]:
    """The series with what each backup of it saw on record, the newest first."""
    made: list[Backup] = []
    for each in reversed(series(*counts)):
        made.insert(0, each.evolve(vanished=vanished.find(each, made, LIMITS)))
    return made


def test_the_last_backup_with_the_rows_is_held_until_it_is_acknowledged() -> None:
    backups = seen(5000, 5000, 0, 0)
    assert vanished.held(backups, backups, now=NOW) == {backups[2].id: [ORDERS]}
    by = Acknowledgement(at=NOW, operator="ops")
    known = [each.evolve(acknowledged=by) if each.vanished else each for each in backups]
    assert vanished.held(known, known, now=NOW) == {}


def test_the_one_before_is_held_where_the_last_one_is_lost() -> None:
    backups = seen(4000, 5000, 0)
    assert vanished.held(backups, [backups[0], backups[2]], now=NOW) == {backups[2].id: [ORDERS]}
    assert vanished.held(backups, backups[:1], now=NOW) == {}


def test_nothing_is_held_longer_than_thirty_days() -> None:
    backups = seen(5000, 0)
    assert vanished.held(backups, backups, now=NOW + 30 * DAY) != {}
    assert vanished.held(backups, backups, now=NOW + timedelta(days=30, seconds=1)) == {}


COUNTS = st.dictionaries(
    st.sampled_from(["public.a", "public.b", "public.c"]), st.integers(0, 5000), max_size=3
)
UNCOUNTED = st.sets(st.sampled_from(["public.a", "public.b", "public.c"]), max_size=2)


@st.composite
def histories(draw: st.DrawFn) -> list[Backup]:
    """Newest first; an uncounted table has no rows on record, as in a real one."""
    found = []
    for day in range(draw(st.integers(1, 8))):
        unknown = draw(UNCOUNTED)
        rows = {table: count for table, count in draw(COUNTS).items() if table not in unknown}
        found.append(counted(day, rows, uncounted=tuple(sorted(unknown))))
    return found


@given(histories())
def test_only_a_known_and_large_loss_is_told(backups: list[Backup]) -> None:
    newest, *earlier = backups
    for each in vanished.find(newest, earlier, LIMITS):
        now = (newest.row_counts or {}).get(each.table)
        before = next(other for other in earlier if each.table not in other.uncounted)
        assert each.table not in newest.uncounted
        assert each.rows == now
        assert each.rows_before == (before.row_counts or {})[each.table] >= LIMITS.rows
        assert (now or 0) < each.rows_before * (1 - LIMITS.share)
        assert each.last_backup == before.id


@given(histories(), st.integers(0, 7))
def test_whatever_is_told_stays_restorable(backups: list[Backup], days: int) -> None:
    made: list[Backup] = []
    for each in reversed(backups):
        made.insert(0, each.evolve(vanished=vanished.find(each, made, LIMITS)))
    held = vanished.held(made, made, now=NOW + days * DAY)
    for each in made:
        for lost in each.vanished:
            assert lost.last_backup is not None
            assert lost.table in held[lost.last_backup]


@given(COUNTS, COUNTS)
def test_adding_rows_elsewhere_changes_nothing(before: dict[str, int], after: dict[str, int]) -> None:
    def found(rows: dict[str, int]) -> tuple[VanishedTable, ...]:
        return vanished.find(counted(0, rows), [counted(1, before)], LIMITS)

    assert found({**after, "public.new": 10**6}) == found(after)
