"""Rows that vanished hold the last backup that has them."""

from datetime import timedelta

from pgbackstop_catalog.config.keep import Keep
from pgbackstop_catalog.decisions import retention
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.vanished import Acknowledgement, VanishedTable
from tests.support.factories import DAY, NOW, physical
from tests.unit.catalog.decisions.retained import daily, ids, kept, reasons

LOST = VanishedTable(table="public.orders", rows_before=5000, rows=0)


def loses(*tables: str) -> list[Backup]:
    """Five backups; the third newest saw that tables were emptied."""
    backups = daily(5)
    full = [each.evolve(row_counts=dict.fromkeys(tables, 5000)) for each in backups[3:]]
    lost = tuple(LOST.evolve(table=each) for each in tables)
    return [*backups[:2], backups[2].evolve(vanished=lost), *full]


def test_the_last_backup_with_rows_that_vanished_stays_for_thirty_days() -> None:
    backups, keep = loses("public.orders"), Keep(last=1, minimum=1)
    decision = retention.decide(backups, keep, now=NOW + 20 * DAY)
    assert kept(decision) == ids([backups[0], backups[3]])
    assert reasons(decision, backups[3]) == ("holds rows that vanished since: public.orders",)
    assert kept(retention.decide(backups, keep, now=NOW + 29 * DAY)) == ids(backups[:1])


def test_it_stays_when_the_backup_that_saw_it_has_expired() -> None:
    backups, keep = loses("public.orders"), Keep(last=1, minimum=1)
    backups[2] = backups[2].evolve(expired_at=NOW)
    assert kept(retention.decide(backups, keep, now=NOW)) == ids([backups[0], backups[3]])


def test_an_acknowledged_loss_holds_nothing() -> None:
    backups, keep = loses("public.orders"), Keep(last=1, minimum=1)
    backups[2] = backups[2].evolve(acknowledged=Acknowledgement(at=NOW, operator="ops"))
    assert kept(retention.decide(backups, keep, now=NOW)) == ids(backups[:1])


def test_many_tables_are_counted_in_the_reason() -> None:
    backups = loses(*(f"public.t{number}" for number in range(5)))
    decision = retention.decide(backups, Keep(last=1, minimum=1), now=NOW)
    assert reasons(decision, backups[3]) == (
        "holds rows that vanished since: public.t0, public.t1, public.t2 and 2 more",
    )


def test_what_is_held_keeps_what_it_is_built_on() -> None:
    full = physical(3, NOW - 3 * DAY)
    child = physical(2, NOW - 2 * DAY, parent=full, row_counts={"public.orders": 5000})
    newest = physical(1, NOW - DAY, vanished=(LOST,))
    decision = retention.decide([newest, child, full], Keep(last=1, minimum=1), now=NOW)
    assert kept(decision) == ids([newest, child, full])


def test_the_record_of_an_open_loss_is_not_folded() -> None:
    backups = [each.evolve(expired_at=NOW) for each in loses("public.orders")]
    keep = Keep(records=0.0)
    moment = NOW + timedelta(hours=1)
    assert backups[2] not in retention.foldable(backups, keep, now=moment)
    assert backups[2] in retention.foldable(backups, keep, now=NOW + 29 * DAY)
