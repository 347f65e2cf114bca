"""What somebody has pinned outlives its retention until the pin ends, and is on record with its reason."""

from datetime import timedelta
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store import layout
from pgbackstop_runner.expire import folders, pin
from pgbackstop_runner.expire import run as expire_run
from pgbackstop_runner.expire.pin import NothingToPin
from pgbackstop_runner.workspace import Workspace
from tests.support import factories
from tests.support.factories import DAY, NOW
from tests.unit.runner import places

HOUR = timedelta(hours=1)


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    return places.workspace(tmp_path)


def available(opened: Workspace) -> list[str]:
    return [each.id for each in opened.catalog.backups() if each.is_available]


def test_it_stays_until_its_end_or_until_it_is_unpinned(opened: Workspace) -> None:
    newest, ended, kept, unpinned, plain = places.days(opened, 5, until=utc_now() - HOUR)
    soon = utc_now() + HOUR
    for each, until in ((ended, soon), (kept, None), (unpinned, None)):
        pin.pin(opened, each.id, pin.made(note="before 4.2", until=until))
    pin.unpin(opened, unpinned.id)
    verdicts = {each.backup.id: each for each in expire_run.decide(opened, "main-logical", now=utc_now())}
    assert "before 4.2" in verdicts[kept.id].reasons[0]
    assert [verdicts[each.id].kept for each in (ended, kept, unpinned, plain)] == [True, True, False, False]
    expire_run.run(opened, "main-logical", now=soon)
    assert available(opened) == [newest.id, kept.id]


def test_it_keeps_what_an_incremental_is_built_on(opened: Workspace) -> None:
    full = places.stored(opened, factories.physical(1, NOW - 3 * DAY))
    child = places.stored(opened, factories.physical(2, NOW - 2 * DAY, parent=full))
    newest = places.stored(opened, factories.physical(3, NOW))
    pin.pin(opened, child.id, pin.made())
    expire_run.run(opened, "main-physical", now=NOW)
    assert available(opened) == [newest.id, child.id, full.id]


def test_one_that_came_after_retention_judged_holds(opened: Workspace) -> None:
    """Expire removes backup by backup, which takes its time."""
    full = places.stored(opened, factories.physical(1, NOW - 3 * DAY))
    child = places.stored(opened, factories.physical(2, NOW - 2 * DAY, parent=full))
    plain = places.stored(opened, factories.physical(3, NOW - DAY))
    pin.pin(opened, child.id, pin.made())
    problems = list(folders.expire(opened, [full, child, plain], NOW))
    assert problems == [
        f"{child.id} stays: it was pinned meanwhile",
        f"{full.id} stays: {child.id} is built on it",
    ]
    assert available(opened) == [child.id, full.id]
    assert opened.catalog.backup(child.id).pinned is not None


def test_it_is_beside_the_bytes_too(opened: Workspace) -> None:
    stored = places.stored(opened, factories.backup(1, NOW))
    done = pin.pin(opened, stored.id, pin.made(note="release", operator="token deploy"))
    assert str(done.pinned) == "pinned by token deploy: release"
    assert (places.folder_of(opened, done) / layout.RECORD_NAME).read_bytes() == codec.encode(done)
    assert codec.encode(opened.catalog.backup(stored.id)) == codec.encode(done)


@pytest.mark.parametrize("changes", [{"expired_at": NOW}, {"status": Status.FAILED}])
def test_what_is_not_kept_cannot_be_pinned(opened: Workspace, changes: dict[str, object]) -> None:
    gone = factories.backup(1, NOW, **changes)
    opened.catalog.put(gone)
    with pytest.raises(NothingToPin, match="is not kept"):
        pin.pin(opened, gone.id, pin.made())
    with pytest.raises(NothingToPin, match="is not pinned"):
        pin.unpin(opened, gone.id)


def test_what_is_being_read_is_left_alone(opened: Workspace) -> None:
    """A verify writes the record anew when it ends, and would forget the pin."""
    stored: Backup = places.stored(opened, factories.backup(1, NOW))
    with opened.state.lease(stored.id), pytest.raises(errors.Busy):
        pin.pin(opened, stored.id, pin.made())
    assert opened.catalog.backup(stored.id).pinned is None


@pytest.mark.parametrize(("note", "until"), [("a\nb", None), ("a" * 501, None), ("", NOW - 999 * DAY)])
def test_what_is_no_pin_is_refused(note: str, until: object) -> None:
    with pytest.raises(errors.ConfigError):
        pin.made(note=note, until=until)  # type: ignore[arg-type]
