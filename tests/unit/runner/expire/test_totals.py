"""Records that are older than any is kept for are summed in the plan's totals: no counter falls."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pgbackstop_catalog.decisions import history
from pgbackstop_catalog.decisions.attempts import attempt_of
from pgbackstop_catalog.decisions.counts import Counts, tallied
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.totals import Totals
from pgbackstop_catalog.store.folder import FolderCatalog
from pgbackstop_runner.expire import run as expire_run
from pgbackstop_runner.workspace import Workspace
from tests.support import factories
from tests.support.factories import DAY, NOW
from tests.unit.runner import places


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    return places.workspace(tmp_path)


def old_failures(opened: Workspace, count: int) -> list[Backup]:
    """Failures that are older than any record is kept, with one newer attempt."""
    opened.catalog.put(factories.backup(1, NOW, location=None, storage=None))
    failures = [
        factories.backup(
            100 + number, NOW - (500 + number) * DAY,
            status=Status.FAILED, reason=Reason.TOOL, location=None, storage=None,
        )
        for number in range(count)
    ]  # fmt: skip
    for each in failures:
        opened.catalog.put(each)
    return failures


def total(opened: Workspace) -> Counts:
    """What a reader counts: the tally and the records that it does not count."""
    tally = opened.catalog.totals("main-logical")
    found = history.summarise(
        map(attempt_of, opened.catalog.backups("main-logical")), folding=frozenset(tally.folding)
    )
    return found.counts.plus(tallied(tally, "shop"))


def test_old_records_are_folded_and_no_counter_falls(opened: Workspace) -> None:
    old_failures(opened, 5)
    before = total(opened)
    assert before == Counts(runs=6, failures={Reason.TOOL: 5})
    assert expire_run.run(opened, "main-logical", now=NOW).records == 5
    assert total(opened) == before
    assert len(list(opened.catalog.backups("main-logical"))) == 1
    assert opened.catalog.totals("main-logical") == Totals(
        plan="main-logical", runs={"shop": 5}, failures={"shop": {"tool": 5}}
    )


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", range(7))
def test_a_crash_at_any_step_of_folding_counts_nothing_twice(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Steps: the tally, five removals, the tally; the crash comes instead of one of them."""
    old_failures(opened, 5)
    before, left = total(opened), [step]

    def crashing(real: Callable[[object, object], None]) -> Callable[[object, object], None]:
        def call(catalog: object, record: object) -> None:
            if not left[0]:
                raise Crash
            left[0] -= 1
            real(catalog, record)

        return call

    with monkeypatch.context() as patched:
        for name in ("put", "remove"):
            patched.setattr(FolderCatalog, name, crashing(getattr(FolderCatalog, name)))
        with pytest.raises(Crash):
            expire_run.fold(opened, "main-logical", now=NOW)
    assert total(opened) == before
    expire_run.fold(opened, "main-logical", now=NOW)
    assert total(opened) == before
    assert len(list(opened.catalog.backups("main-logical"))) == 1


def test_a_record_outlives_bytes_that_could_not_be_removed(opened: Workspace) -> None:
    places.days(opened, 1)
    stuck = places.stored(opened, factories.backup(9, NOW - 900 * DAY))
    opened.catalog.put(stuck.evolve(expired_at=NOW - 899 * DAY))
    assert expire_run.fold(opened, "main-logical", now=NOW) == 0
    assert expire_run.run(opened, "main-logical", now=NOW).records == 1
