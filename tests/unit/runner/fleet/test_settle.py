"""Which records are an attempt's, where the clocks of hosts differ."""

from datetime import datetime
from pathlib import Path

import pytest

from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.store.folder import FolderCatalog
from pgbackstop_runner.fleet import settle
from pgbackstop_runner.fleet.values import Attempt, Key
from tests.support import storages
from tests.support.factories import at, instant

DUE = at(2)


@pytest.fixture
def catalog(tmp_path: Path) -> FolderCatalog:
    return storages.catalog(tmp_path)


def attempt(host: str, started: datetime) -> Attempt:
    return Attempt(
        key=Key(plan="shop", due=DUE),
        number=1,
        trigger="schedule",
        worker=f"{host}:7:abcdef",
        started=started,
    )


def test_an_attempt_before_of_a_host_whose_clock_is_ahead_is_another_one(catalog: FolderCatalog) -> None:
    first = instant(at(4), host="ahead", trigger="schedule", scheduled_for=DUE, status=Status.INTERRUPTED)
    catalog.put(first)
    assert settle.of_attempt(catalog, attempt("ahead", at(4))) == (first,)
    assert settle.of_attempt(catalog, attempt("right", at(2, 5))) == ()


def test_a_host_name_may_hold_colons(catalog: FolderCatalog) -> None:
    record = instant(at(2, 5), host="a:b", trigger="schedule", scheduled_for=DUE)
    catalog.put(record)
    assert settle.of_attempt(catalog, attempt("a:b", at(2, 5))) == (record,)


@pytest.mark.parametrize("now", [at(1), at(9)], ids=["the clock here is behind", "or ahead"])
def test_an_explanation_is_found_again_by_whoever_follows_it(catalog: FolderCatalog, now: datetime) -> None:
    lost = attempt("away", at(2, 5))
    record = settle.explanation(Plan(server="main", backup_type="logical"), lost, now, "It gave no sign.")
    catalog.put(record)
    assert settle.of_attempt(catalog, lost) == (record,)
    assert record.status is Status.INTERRUPTED
