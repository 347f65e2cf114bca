"""Which storage has a name, and had it before."""

import dataclasses
import json
import re
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.storage import FormerStorage, StorageMark
from pgbackstop_catalog.store import layout
from pgbackstop_runner.copy import run
from pgbackstop_runner.storage import identity
from tests.support import keys
from tests.unit.runner import places

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("unmarked", [True, False], ids=["from before there were marks", "not known yet"])
def test_several_processes_adopt_one_storage_at_once(tmp_path: Path, *, unmarked: bool) -> None:
    opened = places.workspace(tmp_path)
    places.days(opened, 1)
    mark = tmp_path / "store" / layout.STORAGE_MARK
    known = opened.config.catalog_folder() / "storages" / "disk.json"
    several = 8
    together = threading.Barrier(several)

    def one(_number: int) -> None:
        together.wait()
        identity.require(opened, "disk")

    for _ in range(10):
        known.unlink()
        if unmarked:
            mark.unlink()
        with ThreadPoolExecutor(several) as pool:
            list(pool.map(one, range(several)))  # a mark that is not the known one would be refused
        identity.require(opened, "disk")


@pytest.mark.parametrize("first", ["plain", "encrypted"])
def test_plain_and_encrypted_never_mix(tmp_path: Path, first: str) -> None:
    """In one storage, whether or not the catalog knows it."""
    second = {"kind": "folder", "path": tmp_path / "second"}
    sealed = {**second, "encryption": keys.generated(tmp_path / "keys").settings()}
    now, later = (second, sealed) if first == "plain" else (sealed, second)
    opened = places.workspace(tmp_path, storages={"second": now})
    places.days(opened, 1)
    identity.require(opened, "second")
    mark = (tmp_path / "second" / layout.STORAGE_MARK).read_bytes()
    config = opened.config.evolve(storages=opened.config.storages | {"second": later})
    changed = dataclasses.replace(opened, config=config)
    told = "is not encrypted, and" if first == "plain" else r"is encrypted \(age\), and"
    for act in (
        lambda: identity.require(changed, "second"),
        lambda: identity.create(changed, "second"),
        lambda: identity.create(changed, "second", replace=True),
    ):
        with pytest.raises(identity.NotThere, match=told):
            act()
    assert re.search(told, identity.look(changed, "second").problem)
    (opened.config.catalog_folder() / "storages" / "second.json").unlink()
    with pytest.raises(identity.NotThere, match=told):
        identity.require(changed, "second")
    assert (tmp_path / "second" / layout.STORAGE_MARK).read_bytes() == mark


def test_an_encrypted_storage_is_never_marked_on_the_way(tmp_path: Path) -> None:
    """None is from before there were marks, so a mark that is gone is a storage that is not there."""
    second = {"kind": "folder", "path": tmp_path / "second"}
    sealed = {**second, "encryption": keys.generated(tmp_path / "keys").settings()}
    opened = places.workspace(tmp_path, copies=("second",), storages={"second": sealed})
    places.days(opened, 1)
    run.run(opened, "main-logical")
    (opened.config.catalog_folder() / "storages" / "second.json").unlink()
    (tmp_path / "second" / layout.STORAGE_MARK).unlink()
    with pytest.raises(identity.NotThere, match="is not there"):
        identity.require(opened, "second")


def test_each_moment_has_its_storage() -> None:
    now = utc_now()
    first, second = StorageMark.new("disk"), StorageMark.new("disk")
    gone = (
        FormerStorage(id=first.id, until=now - 2 * MINUTE),
        FormerStorage(id=second.id, until=now - MINUTE),
    )
    again = first.evolve(former=gone)
    assert again.replaced_at(now - 3 * MINUTE) is None
    assert again.replaced_at(now - 1.5 * MINUTE) == gone[1]
    assert again.replaced_at(now) is None
    assert StorageMark.new("disk").replaced_at(now) is None


def test_a_storage_whose_keys_cannot_be_read_is_not_there(tmp_path: Path) -> None:
    """It must not end what goes through all storages."""
    own = keys.generated(tmp_path / "keys")
    third = {"kind": "folder", "path": tmp_path / "third", "encryption": own.settings()}
    opened = places.workspace(tmp_path, storages={"third": third})
    own.recipients.unlink()
    assert list(identity.absent(opened, ["disk", "third"])) == ["third"]
    assert "recipients.txt cannot be read" in identity.problem(opened, "third")


SPOIL: dict[str, Callable[[Path], object]] = {
    "deleted": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:40]),
    "binary": lambda path: path.write_bytes(bytes(range(256))),
}


@pytest.mark.parametrize("spoil", SPOIL.values(), ids=SPOIL)
@pytest.mark.parametrize("where", ["storage", "catalog"])
def test_a_damaged_mark_costs_its_storage_alone_and_is_mended(
    tmp_path: Path, where: str, spoil: Callable[[Path], object]
) -> None:
    second = {"kind": "folder", "path": tmp_path / "second"}
    opened = places.workspace(tmp_path, copies=("second",), storages={"second": second})
    places.days(opened, 1)
    run.run(opened, "main-logical")
    mark = tmp_path / "second" / layout.STORAGE_MARK
    spoilt = mark if where == "storage" else opened.config.catalog_folder() / "storages" / "second.json"
    before = mark.read_bytes()
    spoil(spoilt)
    if (where, spoil) != ("catalog", Path.unlink):  # it is adopted again at once
        assert list(identity.absent(opened, ["disk", "second"])) == ["second"]
        assert "'pgbackstop storage create second'" in identity.problem(opened, "second")
    identity.create(opened, "second")
    assert identity.absent(opened, ["disk", "second"]) == {}
    assert json.loads(mark.read_bytes())["id"] == json.loads(before)["id"]


def test_a_storage_without_its_mark_and_its_backups_is_not_made_anew(tmp_path: Path) -> None:
    second = {"kind": "folder", "path": tmp_path / "second"}
    opened = places.workspace(tmp_path, copies=("second",), storages={"second": second})
    places.days(opened, 1)
    run.run(opened, "main-logical")
    (tmp_path / "second").rename(tmp_path / "away")
    (tmp_path / "second").mkdir()
    with pytest.raises(identity.NotThere, match="finds none there"):
        identity.create(opened, "second")
    (tmp_path / "second" / layout.STORAGE_MARK).write_text('{"record_version": 9}')
    with pytest.raises(identity.NotThere, match="newer pgbackstop"):
        identity.create(opened, "second", replace=True)


@pytest.mark.parametrize("how", ["the same place", "a copy of it"])
def test_one_storage_is_not_taken_for_two(tmp_path: Path, how: str) -> None:
    """What goes to both would be in one, and what expires in one would be gone from both."""
    second, third = ({"kind": "folder", "path": tmp_path / name} for name in ("second", "third"))
    opened = places.workspace(tmp_path, copies=("second",), storages={"second": second})
    places.days(opened, 1)
    run.run(opened, "main-logical")
    if how == "the same place":
        (tmp_path / "third").symlink_to(tmp_path / "second")
    else:
        shutil.copytree(tmp_path / "second", tmp_path / "third")
    both = opened.config.model_dump() | {
        "storages": {**opened.config.model_dump()["storages"], "third": third}
    }
    changed = dataclasses.replace(opened, config=Config.model_validate(both))
    told = "has the mark of the storage second"
    assert told in identity.problem(changed, "third")
    with pytest.raises(identity.NotThere, match=told):
        identity.create(changed, "third")
    assert identity.problem(changed, "second") == ""
    if how == "a copy of it":
        identity.create(changed, "third", replace=True)
        assert identity.absent(changed, ["second", "third"]) == {}
