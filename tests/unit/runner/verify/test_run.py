"""What a verify puts on record: of the backup, and of who asked."""

from pathlib import Path

from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.vanished import Acknowledgement, VanishedTable
from pgbackstop_runner.verify import run
from pgbackstop_runner.verify.run import Asked
from pgbackstop_runner.workspace import Workspace
from tests.support import factories
from tests.support.factories import NOW
from tests.unit.runner import places

SEEN = Acknowledgement(at=NOW, operator="ops")
LOST = (VanishedTable(table="public.orders", rows_before=5000, rows=0),)


def rotten(opened: Workspace, backup: Backup) -> Backup:
    """A stored backup of which a byte is not what it was."""
    made = places.stored(opened, backup)
    (places.folder_of(opened, made) / "shop.backup").write_bytes(b"the bYtes\n")
    return made


def verify(opened: Workspace, backup: Backup, asked: Asked = Asked()) -> Backup:  # noqa: B008 - frozen
    (result,) = run.plan(opened, backup.plan, [backup], whole=False, asked=asked)
    assert result.is_damaged
    return opened.catalog.backup(backup.id)


def test_damage_is_news_whatever_somebody_took_note_of_before(tmp_path: Path) -> None:
    opened = places.workspace(tmp_path)
    made = rotten(opened, factories.backup(1, NOW, vanished=LOST, acknowledged=SEEN))
    found = verify(opened, made)
    assert (found.status, found.reason, found.is_damaged) == (Status.FAILED, Reason.CORRUPT, True)
    assert found.acknowledged is None


def test_damage_that_was_acknowledged_stays_so_when_it_is_read_once_more(tmp_path: Path) -> None:
    opened = places.workspace(tmp_path)
    found = verify(opened, rotten(opened, factories.backup(1, NOW)))
    opened.catalog.put(found.evolve(acknowledged=SEEN))
    assert verify(opened, found).acknowledged == SEEN


def test_the_proof_says_who_asked_and_for_when(tmp_path: Path) -> None:
    opened = places.workspace(tmp_path)
    made = rotten(opened, factories.backup(1, NOW))
    verify(opened, made, Asked(trigger="catch-up", scheduled_for=NOW))
    verify(opened, made)
    by_hand, asked = opened.catalog.proofs(made.plan)
    assert (asked.trigger, asked.scheduled_for) == ("catch-up", NOW)
    assert (by_hand.trigger, by_hand.scheduled_for) == ("manual", None)
