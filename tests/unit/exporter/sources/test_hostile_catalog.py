"""A stray name, a damaged record or an impossible number costs itself: every other metric stays."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.decisions.attempts import Subject
from pgbackstop_exporter.families.samples import Families
from pgbackstop_exporter.snapshot import CatalogFacts, Settings, Snapshot
from pgbackstop_exporter.sources.catalog import CatalogSource
from pgbackstop_exporter.web import page
from pgbackstop_exporter.web.exposition import Form, Page
from tests.support.factories import catalog, config, copy_of, daily, proof_of, restore_of
from tests.unit.exporter import filled

SHOP = Subject("main", "shop", "logical")


def served(root: Path) -> tuple[CatalogFacts, str]:
    """What the source finds, and the page that is made of it; no error may end either."""
    facts = CatalogSource.of_folder(root / "catalog").refresh()
    settings = Settings(config=config(root), seen_at=0.0)
    families: Families = page.build(Snapshot(settings=settings, catalog=facts), now=time.time())
    body = Page(families, [(Form.TEXT, False)]).body(
        Form.TEXT, extra=Families(), now=time.time(), compressed=False
    )
    return facts, body.decode()


STRAYS = ("backups/.snapshot", "backups/lost+found", "backups/@eaDir", "backups/a b", "copies/.snapshot",
          "restores/lost+found", "restores/.snapshot", "tallies/a b.json", "tallies/x.json", "proofs/@eaDir",
          "state/wal/lost+found.json", "state/wal/a b.json", "outbox/@eaDir.json")  # fmt: skip


@pytest.mark.parametrize("stray", STRAYS)
def test_a_stray_folder(tmp_path: Path, stray: str) -> None:
    catalog(tmp_path, daily())
    (tmp_path / "catalog" / stray).mkdir(parents=True)
    facts, _ = served(tmp_path)
    assert facts.plans["daily"].histories[SHOP].counts.runs == 1


DEEP = '{"a": ' * 60_000 + "1" + "}" * 60_000
NUMBERS: tuple[Any, ...] = (2**63, 10**400, float("nan"), float("inf"), 1e300, "x", [], {}, "\ud800")
TIMES = ("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "x", 1e300)


def spoiled(path: Path, **changes: Any) -> None:
    """Replace values of a record by what none of ours has."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


OF_NUMBERS = ("size_bytes", "progress_bytes", "timeline", "duration_seconds", "missed_runs")
OF_TIMES = ("scheduled_for", "started_at", "finished_at", "verified_at", "expired_at")
BACKUP_CHANGES: list[dict[str, Any]] = [
    *({name: value} for name in OF_NUMBERS for value in NUMBERS),
    *({name: value} for name in OF_TIMES for value in TIMES),
    {"size_bytes": -1},
    {"start_lsn": "FFFFFFFFF/0"},
    {"row_counts": {"a": 10**400}},
    {"database": "\ud800"},
    {"plan": "../x"},
]


@pytest.mark.parametrize("changes", BACKUP_CHANGES, ids=lambda each: str(each)[:40])
def test_a_backup_with_an_impossible_value(tmp_path: Path, changes: dict[str, Any]) -> None:
    good, bad = daily(), daily()
    records = catalog(tmp_path, good, bad)
    spoiled(records.path(bad), **changes)
    facts, _ = served(tmp_path)
    assert facts.plans["daily"].histories[SHOP].counts.runs == 1
    assert facts.unreadable == 1


@pytest.mark.parametrize(
    "value", [-1, 2**63, 10**400, "x", [], float("inf")], ids=lambda each: str(each)[:20]
)
def test_copies_proofs_and_restores_with_an_impossible_value(tmp_path: Path, value: Any) -> None:
    one = daily()
    records = catalog(tmp_path, one)
    for made, name in ((copy_of(one), "failures"), (proof_of(one), "read_bytes"), (restore_of(one), "pid")):
        records.put(made)
        spoiled(records.path(made), **{name: value})
    facts, _ = served(tmp_path)
    assert facts.unreadable == 3
    assert facts.plans["daily"].histories[SHOP].counts.runs == 1


def _write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.write_text(text)


def _pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def _device(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


SPOIL: dict[str, Callable[[Path], object]] = {
    "a pipe": _pipe,
    "a folder": _folder,
    "a device": _device,
    "deep": lambda path: _write(path, DEEP),
    "deep lists": lambda path: _write(path, "[" * 60_000),
    "NaN": lambda path: _write(path, '{"failures": NaN}'),
    "a number of 5,000 digits": lambda path: _write(path, '{"record_version": ' + "9" * 5_000 + "}"),
    "binary": lambda path: path.write_bytes(b"\xff\xfe\x00"),
}
FILES = ("backups/daily/{id}.json", "copies/daily/{id}@offsite.json", "tallies/daily.json",
         "state/scheduler.json", "state/wal/main.json", "state/wal_copies/offsite/main.json",
         "outbox/tally.state")  # fmt: skip


@pytest.mark.parametrize("spoil", SPOIL.values(), ids=SPOIL)
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_record(tmp_path: Path, spoil: Callable[[Path], object], name: str) -> None:
    good, bad = daily(), daily()
    records = catalog(tmp_path, good, bad, copy_of(bad))
    path = tmp_path / "catalog" / name.format(id=bad.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    spoil(path)
    facts, text = served(tmp_path)
    assert records.path(good).exists()
    assert facts.plans["daily"].histories[SHOP].counts.runs in {1, 2}
    assert 'backup_age_seconds{backup_type="logical",database="shop",plan="daily",server="main"}' in text


GAP = {"timeline": 1, "segments": 1, "found_at": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    "changes",
    [
        {"segment_bytes": 0},
        {"segments": 10**400},
        {"archive_bytes": float("inf")},
        {"gaps": [{**GAP, "first": "zzz", "last": "zzz"}]},
        {"recoverable_until": "9999-12-31T23:59:59-14:00"},
    ],
    ids=lambda each: str(each)[:30],
)  # fmt: skip
def test_a_state_of_the_receiver_with_an_impossible_value(tmp_path: Path, changes: dict[str, Any]) -> None:
    filled.fill(tmp_path)
    spoiled(tmp_path / "catalog" / "state" / "wal" / "main.json", **changes)
    facts, _ = served(tmp_path)
    assert facts.unreadable == 1
    assert facts.wal == {}


@pytest.mark.parametrize("failures", [{"a": 10**400}, {"a": -1}, {"\ud800": 1}, {"a": float("inf")}, [], "x"])
def test_counters_of_deliveries_with_an_impossible_value(tmp_path: Path, failures: Any) -> None:
    filled.fill(tmp_path)
    _write(tmp_path / "catalog" / "outbox" / "tally.state", json.dumps({"failures": failures}))
    facts, _ = served(tmp_path)
    assert facts.notification_failures == {}


def test_what_was_repaired_is_read_again(tmp_path: Path) -> None:
    good, bad = daily(), daily()
    records = catalog(tmp_path, good, bad)
    content = records.path(bad).read_bytes()
    _pipe(records.path(bad))
    source = CatalogSource.of_folder(tmp_path / "catalog")
    assert source.refresh().unreadable == 1
    records.path(bad).unlink()
    records.path(bad).write_bytes(content)
    assert source.refresh().unreadable == 0
