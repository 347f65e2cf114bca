"""What lists show is read once, for as long as its folder stands still."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store import known_summaries, summary
from pgbackstop_catalog.store.known_summaries import KnownSummaries
from pgbackstop_catalog.store.summary import BackupSummary
from tests.support import factories


class Lists:
    """A catalog of two plans, and what a page of it parses."""

    def __init__(self, root: Path) -> None:
        self.known = KnownSummaries(most=100)
        self.heard: list[errors.CatalogError] = []
        self.parsed: list[str] = []
        self._moments = itertools.count(1_000_000)
        self.folders = [root / plan for plan in ("daily", "weekly")]
        for folder in self.folders:
            folder.mkdir()

    def put(self, plan: int, record: Backup) -> None:
        path = self.folders[plan] / f"{record.id}.json"
        new = path.with_name(f".{path.name}")
        new.write_bytes(codec.encode(record))
        new.replace(path)

    def settle(self) -> None:
        """As if their last changes were long ago, each at another time."""
        for folder in self.folders:
            os.utime(folder, (moment := next(self._moments), moment))

    def page(self, *, before: str = "") -> list[str]:
        self.parsed.clear()
        return [each.id for each in self.known.summaries(self.folders, self.heard.append, before=before)]


@pytest.fixture
def lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lists:
    made = Lists(tmp_path)
    parse = summary.parse

    def told(path: Path) -> BackupSummary:
        made.parsed.append(path.stem)
        return parse(path)

    monkeypatch.setattr(summary, "parse", told)
    return made


RECORDS = [factories.backup(number, factories.NOW - number * factories.DAY) for number in range(4)]
IDS = [each.id for each in RECORDS]


def test_the_newest_of_all_plans_come_first_and_are_parsed_once(lists: Lists) -> None:
    for number, record in enumerate(RECORDS):
        lists.put(number % 2, record)
    assert lists.page() == IDS
    assert lists.parsed == IDS
    assert lists.page(before=IDS[1]) == IDS[2:]
    assert lists.parsed == []


def test_no_more_is_parsed_than_is_asked_for(lists: Lists) -> None:
    for number, record in enumerate(RECORDS):
        lists.put(number % 2, record)
    assert next(lists.known.summaries(lists.folders, lists.heard.append)).id == IDS[0]
    assert lists.parsed == IDS[:1]


def test_no_more_is_kept_than_is_said(lists: Lists) -> None:
    lists.known = KnownSummaries(most=1)
    for number, record in enumerate(RECORDS):
        lists.put(number % 2, record)
    lists.settle()
    for _ in range(2):
        assert lists.page() == IDS
    assert lists.parsed == IDS[1:]


@pytest.mark.parametrize("is_settled", [True, False], ids=["settled", "young"])
def test_what_comes_goes_and_is_replaced_is_seen_at_once(
    lists: Lists, monkeypatch: pytest.MonkeyPatch, is_settled: bool
) -> None:
    monkeypatch.setattr(known_summaries, "TRUSTED_SECONDS", float("inf"))

    def page() -> list[str]:
        if is_settled:
            lists.settle()
        return lists.page()

    lists.put(0, RECORDS[1])
    assert page() == IDS[1:2]
    lists.put(0, RECORDS[0])
    assert page() == IDS[:2]
    assert lists.parsed == IDS[:1]
    lists.put(0, RECORDS[1].evolve(message="mended"))
    assert page() == IDS[:2]
    assert lists.parsed == IDS[1:2]
    (lists.folders[0] / f"{IDS[0]}.json").unlink()
    assert page() == IDS[1:2]
    assert lists.heard == []


def test_what_is_written_in_its_place_is_seen_once_the_folder_is_not_trusted_any_more(
    lists: Lists, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_summaries, "TRUSTED_SECONDS", float("inf"))
    lists.put(0, RECORDS[0])
    lists.settle()
    assert lists.page() == IDS[:1]
    (lists.folders[0] / f"{IDS[0]}.json").write_bytes(codec.encode(RECORDS[0].evolve(message="by hand")))
    assert lists.page() == IDS[:1]
    assert lists.parsed == []
    monkeypatch.setattr(known_summaries, "TRUSTED_SECONDS", 0.0)
    assert lists.page() == IDS[:1]
    assert lists.parsed == IDS[:1]


def test_what_is_no_record_is_told_at_each_look(lists: Lists) -> None:
    lists.put(0, RECORDS[0])
    (lists.folders[0] / f"{IDS[1]}.json").write_text("{")
    lists.settle()
    for _ in range(2):
        lists.heard.clear()
        assert lists.page() == IDS[:1]
        assert len(lists.heard) == 1
