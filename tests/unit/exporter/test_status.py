"""How a plan stands, in words for people, and the page that shows it."""

from dataclasses import replace
from pathlib import Path

import pytest

from pgbackstop_catalog import history
from pgbackstop_catalog.history import History
from pgbackstop_catalog.records import Backup, Status
from pgbackstop_exporter import app, status
from pgbackstop_exporter.facts import CATALOG, Health
from tests.unit.exporter import filled
from tests.unit.exporter.builders import DAY, NOW, backup

UNIX = NOW.timestamp()


def of(*records: Backup) -> History:
    return history.summarise(history.attempt(record) for record in records)


FAILED = backup(NOW, status=Status.FAILED)
RUNNING = backup(status=Status.RUNNING, started_at=NOW)


@pytest.mark.parametrize(
    ("known", "enabled", "state"),
    [
        (of(), True, "never"),
        (of(FAILED), True, "failed"),
        (of(backup(NOW - DAY), FAILED), True, "failed"),
        (of(backup(NOW - 2 * DAY)), True, "late"),
        (of(backup(NOW - 2 * DAY)), False, "paused"),
        (of(backup(NOW - DAY), RUNNING), True, "running"),
        (of(backup(NOW - DAY)), True, "ok"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_worst_that_can_be_said_is_said(known: History, enabled: bool, state: str) -> None:
    assert status.state_of(known, enabled=enabled, max_age=90000.0, now=UNIX) == state


def test_rows_of_the_filled_catalog(tmp_path: Path) -> None:
    first, second = status.rows(filled.snapshot(tmp_path), UNIX)
    assert first == status.Row(plan="daily", database="shop", age="3h00m", size="1.0 MB", state="running")
    assert (second.plan, second.database, second.state) == ("weekly", "(all)", "ok")


def test_before_the_catalog_was_read_nothing_is_known(tmp_path: Path) -> None:
    unread = replace(filled.snapshot(tmp_path), catalog=None)
    assert {row.state for row in status.rows(unread, UNIX)} == {"unknown"}
    assert {(row.age, row.size) for row in status.rows(unread, UNIX)} == {("never", "")}


def test_a_success_of_unknown_size_has_none(tmp_path: Path) -> None:
    found = filled.snapshot(tmp_path)
    assert found.catalog is not None
    plans = {"daily": replace(found.catalog.plans["daily"], histories={})}
    bare = replace(found, catalog=replace(found.catalog, plans=plans))
    assert status.rows(bare, UNIX)[0].size == ""


def test_the_page_shows_problems_as_text(tmp_path: Path) -> None:
    ill = Health(success=False, error="<script>alert(1)</script>")
    page = app.render_landing(replace(filled.snapshot(tmp_path), health={CATALOG: ill}), UNIX, "/metrics")
    assert "<li>catalog: &lt;script&gt;alert(1)&lt;/script&gt;</li>" in page
    assert "<script>" not in page
    assert "Problems" not in app.render_landing(filled.snapshot(tmp_path / "well"), UNIX, "/metrics")
