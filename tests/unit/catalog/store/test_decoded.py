"""Records that are kept decoded are those that the files hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.records.totals import Totals
from pgbackstop_catalog.store.decoded import DecodedRecords


def written(path: Path, plan: str) -> Path:
    """Replace the file as the catalog does: by another one."""
    beside = path.with_suffix(".new")
    beside.write_bytes(codec.encode(Totals(plan=plan)))
    return beside.rename(path)


def test_a_file_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, records = written(tmp_path / "a.json", "one"), DecodedRecords()
    first = records.read(Totals, path)
    monkeypatch.setattr(codec, "read", None)
    assert records.read(Totals, path) is first


def test_a_file_that_was_replaced_is_read_again(tmp_path: Path) -> None:
    path, records = written(tmp_path / "a.json", "one"), DecodedRecords()
    assert records.read(Totals, path).plan == "one"
    assert records.read(Totals, written(path, "two")).plan == "two"


def test_what_is_forgotten_is_read_again(tmp_path: Path) -> None:
    path, records = written(tmp_path / "a.json", "one"), DecodedRecords()
    first = records.read(Totals, path)
    records.forget(path)
    assert records.read(Totals, path) is not first


def test_of_many_the_newest_are_kept(tmp_path: Path) -> None:
    paths = [written(tmp_path / f"{number}.json", f"plan-{number}") for number in range(4)]
    records = DecodedRecords(most_bytes=2 * paths[0].stat().st_size)
    read = [records.read(Totals, path) for path in paths]
    assert records.read(Totals, paths[3]) is read[3]
    assert records.read(Totals, paths[2]) is read[2]
    assert records.read(Totals, paths[0]) is not read[0]


def test_a_record_of_another_kind_and_one_that_is_gone_are_refused(tmp_path: Path) -> None:
    path, records = written(tmp_path / "a.json", "one"), DecodedRecords()
    records.read(Totals, path)
    with pytest.raises(errors.CatalogError):
        records.read(Proof, path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        records.read(Totals, path)
