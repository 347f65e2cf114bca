"""What every catalog does. A test module for one subclasses the suite and gives it a ``catalog``."""

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_catalog.records.storage import StorageMark
from pgbackstop_catalog.records.totals import Totals
from pgbackstop_catalog.store.protocol import AnyRecord, Catalog
from tests.support import factories
from tests.support.factories import DAY, NOW, copy_of


def put(catalog: Catalog, count: int, plan: str = "main-logical", first: int = 0) -> list[Backup]:
    """Attempts of one plan, a day apart, the newest first."""
    made = [
        factories.backup(first + number, NOW - (first + number) * DAY, plan=plan) for number in range(count)
    ]
    for record in made:
        catalog.put(record)
    return made


def proof_of(backup: Backup, number: int) -> Proof:
    return factories.proof_of(backup, id=factories.backup(number).id)


def restore_of(backup: Backup, number: int, server: str = "main") -> Restore:
    moment = NOW - number * DAY
    return factories.restore_of(
        backup, id=factories.backup(number, moment).id, server=server, target="shop_2", started_at=moment
    )


class CatalogContract:
    """A catalog keeps records; ``catalog`` has none."""

    def test_an_empty_one_has_nothing(self, catalog: Catalog) -> None:
        assert list(catalog.backups()) == []
        assert list(catalog.copies("any")) == []
        assert list(catalog.proofs()) == []
        assert list(catalog.restores()) == []
        assert catalog.plans() == ()
        assert catalog.totals("any") == Totals(plan="any")
        assert catalog.location

    def test_the_newest_first_over_all_plans(self, catalog: Catalog) -> None:
        odd = put(catalog, 3, plan="b", first=10)
        even = put(catalog, 3, plan="a")
        assert list(catalog.backups()) == [*even, *odd]
        assert list(catalog.backups("b")) == odd
        assert catalog.plans() == ("a", "b")

    def test_a_record_is_replaced(self, catalog: Catalog) -> None:
        record = put(catalog, 1)[0]
        changed = record.evolve(message="changed")
        catalog.put(changed)
        assert list(catalog.backups()) == [changed]
        catalog.put_progress(record)
        assert list(catalog.backups()) == [record]

    def test_by_the_beginning_of_an_id(self, catalog: Catalog) -> None:
        one, other = put(catalog, 2)
        assert catalog.backup(one.id) == one
        assert catalog.backup(other.id[:8]) == other
        with pytest.raises(errors.NotFound, match="There is no backup 'x'"):
            catalog.backup("x")
        with pytest.raises(errors.NotFound, match="is the beginning of 2 backups") as raised:
            catalog.backup("2026")
        assert one.id in str(raised.value)

    def test_copies_proofs_and_tallies(self, catalog: Catalog) -> None:
        record = put(catalog, 1)[0]
        copy, proof, tally = copy_of(record), proof_of(record, 5), Totals(plan=record.plan, runs={"shop": 3})
        for each in (copy, proof, tally):
            catalog.put(each)
        assert list(catalog.tallies()) == [tally]
        assert list(catalog.copies()) == [copy]
        assert list(catalog.proofs(record.plan)) == [proof]
        assert catalog.totals(record.plan) == tally

    def test_one_that_is_given_to_another_plan(self, catalog: Catalog) -> None:
        given, other = put(catalog, 2)
        copy, proof = copy_of(given), proof_of(given, 5)
        for each in (copy, proof):
            catalog.put(each)
        for _again in range(2):
            for record in (copy, proof, given):
                catalog.reassign(record, "main-logical", "new")
        assert list(catalog.backups()) == [given.evolve(plan="new"), other]
        assert list(catalog.backups("new")) == [given.evolve(plan="new")]
        assert catalog.backup(given.id).plan == "new"
        assert (list(catalog.copies("new")), list(catalog.copies("main-logical"))) == (
            [copy.evolve(plan="new")],
            [],
        )
        assert list(catalog.proofs("new")) == [proof.evolve(plan="new")]
        catalog.reassign(other, "main-logical", "new")
        assert catalog.plans() == ("new",)

    def test_restores_of_a_server_or_of_any(self, catalog: Catalog) -> None:
        record = put(catalog, 1)[0]
        mine, others = restore_of(record, 1), restore_of(record, 2, server="other")
        catalog.put(mine)
        catalog.put(others)
        assert list(catalog.restores("main")) == [mine]
        assert list(catalog.restores()) == [mine, others]

    def test_physical_backups_of_a_server(self, catalog: Catalog) -> None:
        put(catalog, 1)
        physical = [
            factories.backup(number, NOW - number * DAY, plan="main-physical", backup_type="physical")
            for number in range(2)
        ]
        for each in physical:
            catalog.put(each)
        for asked in (catalog, catalog.held()):
            assert asked.physical_backups("main") == physical
            assert asked.physical_backups("other") == []

    def test_physical_backups_of_a_plan_that_became_another(self, catalog: Catalog) -> None:
        """It was given to another server, and then made dumps."""
        old, moved = (
            factories.backup(
                number, NOW - number * DAY, server=server, plan="main-logical", backup_type="physical"
            )
            for number, server in ((3, "main"), (2, "other"))
        )
        catalog.put(old)
        catalog.put(moved)
        put(catalog, 1)
        for asked in (catalog, catalog.held()):
            assert asked.physical_backups("main") == [old]
            assert asked.physical_backups("other") == [moved]

    def test_physical_proofs_of_a_server(self, catalog: Catalog) -> None:
        dumped = put(catalog, 1)[0]
        physical = factories.backup(3, NOW, plan="main-physical", backup_type="physical")
        mine = [proof_of(physical, number).evolve(backup_type="physical") for number in (9, 8)]
        for each in (proof_of(dumped, 7), *mine):
            catalog.put(each)
        for _ in range(2):
            assert catalog.physical_proofs("main") == mine
            assert catalog.physical_proofs("other") == []

    def test_physical_backups_that_come_change_and_go(self, catalog: Catalog) -> None:
        """The same catalog is asked again and again, within a second."""
        old, new = (
            factories.backup(number, NOW - number * DAY, plan="main-physical", backup_type="physical")
            for number in (2, 1)
        )
        catalog.put(old)
        assert catalog.physical_backups("main") == [old]
        catalog.put(new)
        assert catalog.physical_backups("main") == [new, old]
        expired = old.evolve(expired_at=NOW)
        catalog.put(expired)
        assert catalog.physical_backups("main") == [new, expired]
        catalog.remove(new)
        assert catalog.physical_backups("main") == [expired]

    def test_what_it_has(self, catalog: Catalog) -> None:
        record = put(catalog, 1)[0]
        wanted: list[AnyRecord] = [record, copy_of(record), proof_of(record, 5), restore_of(record, 1)]
        assert [catalog.has(each) for each in wanted] == [True, False, False, False]
        for each in wanted:
            catalog.put(each)
        assert all(catalog.has(each) for each in wanted)

    def test_the_storages_that_it_knows(self, catalog: Catalog) -> None:
        assert catalog.storage("disk") is None
        disk, other, tape = (
            StorageMark.new(name).evolve(created_at=NOW) for name in ("disk", "disk", "tape")
        )
        for each in (tape, disk, other):
            catalog.put(each)
        assert catalog.storage("disk") == other
        assert list(catalog.storages()) == [other, tape]

    def test_it_is_begun_once(self, catalog: Catalog) -> None:
        assert catalog.is_there()
        assert not catalog.create()

    def test_forgetting_one_takes_its_copies_and_proofs_and_no_others(self, catalog: Catalog) -> None:
        one, other = put(catalog, 2)
        for number, record in enumerate((one, other)):
            catalog.put(copy_of(record))
            catalog.put(copy_of(record, storage="tape"))
            catalog.put(proof_of(record, number))
        catalog.remove(one)
        catalog.remove(one)
        assert list(catalog.backups()) == [other]
        assert {each.backup for each in catalog.copies()} == {other.id}
        assert {each.backup for each in catalog.proofs()} == {other.id}

    def test_what_goes_while_it_is_read_is_gone(self, catalog: Catalog) -> None:
        one, other = put(catalog, 2)
        reading = catalog.backups()
        assert next(reading) == one
        catalog.remove(other)
        assert list(reading) == []

    def test_being_swept_or_asked_leaves_the_records(self, catalog: Catalog) -> None:
        records = put(catalog, 2)
        catalog.check_writable()
        catalog.sweep("main-logical")
        assert list(catalog.backups()) == records

    def test_letters_that_no_database_has(self, catalog: Catalog) -> None:
        """NUL is kept or shown as the symbol for it, half a surrogate pair as a question mark."""
        record = put(catalog, 1)[0]
        catalog.put(record.evolve(message="a\0b\\u0000 \\\\\0 c", host="caf\udce9"))
        found = catalog.backup(record.id)
        assert found.message.replace("\u2400", "\0") == "a\0b\\u0000 \\\\\0 c"
        assert found.host == "caf?"

    def test_more_records_than_are_read_at_once(self, catalog: Catalog) -> None:
        records = put(catalog, 450)
        assert list(catalog.backups()) == records
        assert list(catalog.backups("main-logical")) == records

    def test_a_record_of_many_megabytes(self, catalog: Catalog) -> None:
        small, large = put(catalog, 2)
        large = large.evolve(row_counts={f"public.table_{number}": number for number in range(200_000)})
        catalog.put(large)
        assert list(catalog.backups()) == [small, large]

    def test_what_changes_while_it_is_read_is_read_changed(self, catalog: Catalog) -> None:
        one, other = put(catalog, 2)
        reading = catalog.backups()
        assert next(reading) == one
        catalog.put(other.evolve(message="changed"))
        assert list(reading) == [other.evolve(message="changed")]
