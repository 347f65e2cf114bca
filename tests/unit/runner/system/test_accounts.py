"""Who runs the demo's server, and where it finds programs and a place for its data."""

import os
import shutil
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_runner.demo import programs
from pgbackstop_runner.postgres import client_programs
from pgbackstop_runner.system import accounts
from tests.support import places


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A folder that only we can enter."""
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    return folder


def fake_installation(root: Path, major: int, *missing: str) -> Path:
    """Programs that say their version and can do nothing else."""
    folder = root / f"pg{major}" / "bin"
    folder.mkdir(parents=True)
    for name in set(programs.NEEDED) - set(missing):
        path = folder / name
        path.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {major}.1'\n")
        path.chmod(0o755)
    return folder


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[client_programs.Binaries]:
    """What the system has, for a test to fill; no wheel."""
    found: list[client_programs.Binaries] = []
    monkeypatch.setattr(client_programs, "installed", lambda: tuple(found))
    monkeypatch.setattr(programs, "bundled", lambda: iter(()))
    return found


def test_an_ordinary_user_runs_it_itself() -> None:
    ours = accounts.Account(name="", uid=os.geteuid(), gid=os.getegid())
    assert ours.credentials == {}
    if os.geteuid() != 0:
        assert accounts.account() == ours


@pytest.mark.root
def test_root_steps_down() -> None:
    who = accounts.account()
    assert who.name in {"postgres", "nobody"}
    assert who.credentials == {"user": who.uid, "group": who.gid, "extra_groups": []}


@pytest.mark.root
def test_only_an_empty_folder_is_given_away_and_no_link(tmp_path: Path) -> None:
    """Its account may exchange what is in a folder of its own at any moment."""
    who = accounts.account()
    empty, full, link = tmp_path / "empty", tmp_path / "full", tmp_path / "link"
    empty.mkdir()
    full.mkdir()
    (full / "shadow").write_text("root's")
    link.symlink_to(empty)
    for folder in (full, link):
        with pytest.raises(OSError, match=r"not empty|Not a directory|Too many"):
            accounts.give(folder, who)
    assert (empty.stat().st_uid, full.stat().st_uid) == (0, 0)
    accounts.give(empty, who)
    assert empty.stat().st_uid == who.uid


@pytest.mark.root
def test_acting_as_an_account_goes_no_further_than_it() -> None:
    who = accounts.account()
    folder = places.make()
    theirs, ours = folder / "theirs", folder / "ours"
    ours.mkdir(mode=0o700)
    (ours / "secret").write_text("ours")
    theirs.mkdir()
    accounts.give(theirs, who)
    (theirs / "link").symlink_to(ours)
    with who.acting():
        (theirs / "file").write_text("made")
        with pytest.raises(PermissionError):
            (theirs / "link" / "secret").read_text()
    with who.acting(reads_all=True):
        with who.acting():
            pass
        assert (theirs / "link" / "secret").read_text() == "ours"
        with pytest.raises(PermissionError):
            (theirs / "link" / "secret").write_text("theirs")
        with pytest.raises(PermissionError):
            (theirs / "link" / "secret").unlink()
    assert (theirs / "file").stat().st_uid == who.uid
    (ours / "secret").write_text("root again")
    places.remove(folder)


def test_a_folder_that_others_can_exchange_is_not_ours(tmp_path: Path) -> None:
    inside = tmp_path / "open" / "inside"
    inside.mkdir(parents=True)
    assert accounts.is_ours(inside)
    (tmp_path / "open").chmod(0o777)
    assert not accounts.is_ours(inside)
    (tmp_path / "open").chmod(0o1777)  # like /tmp
    assert accounts.is_ours(inside)


@pytest.mark.root
def test_a_private_folder_is_noticed_and_a_reachable_one_found(private: Path) -> None:
    who = accounts.account()
    inside = private / "data"
    inside.mkdir()
    who.own(inside)
    assert not who.can_enter(inside)
    place = accounts.place_for(who, "pgbackstop-test-")
    try:
        assert who.can_enter(place)
        assert place.stat().st_mode & 0o777 == 0o700
    finally:
        place.rmdir()


@pytest.mark.root
def test_programs_in_a_private_folder_are_copied(private: Path) -> None:
    who = accounts.account()
    folder = fake_installation(private, 17)
    found = client_programs.find(17, folder)
    assert not who.can_run(Path(found.path("postgres")))
    place = accounts.place_for(who, "pgbackstop-test-")
    try:
        copy = programs.copied(found, place)
        assert copy.version == "17.1"
        assert who.can_run(Path(copy.path("postgres")))
        assert programs.copied(found, place) == copy
    finally:
        shutil.rmtree(place)


def test_the_newest_complete_system_installation_is_taken(
    installed: list[client_programs.Binaries], tmp_path: Path
) -> None:
    for major, missing in ((14, ()), (15, ()), (16, ()), (18, ("postgres",))):
        installed.append(client_programs.find(major, fake_installation(tmp_path, major, *missing)))
    assert programs.find().major == 16
    assert programs.find(15).major == 15


def test_too_old_or_without_a_server_is_no_use(
    installed: list[client_programs.Binaries], tmp_path: Path
) -> None:
    installed.append(client_programs.find(14, fake_installation(tmp_path, 14)))
    installed.append(client_programs.find(18, fake_installation(tmp_path, 18, "initdb")))
    with pytest.raises(errors.ConfigError, match="no PostgreSQL 15 or newer"):
        programs.find()
    with pytest.raises(errors.ConfigError, match="no PostgreSQL 14"):
        programs.find(14)


def test_the_wheel_is_found_and_complete() -> None:
    found = list(programs.bundled())
    assert [each.major for each in found] == [17]
    assert all(map(found[0].has, programs.NEEDED))


@pytest.mark.root
def test_what_a_link_leads_to_is_not_handed_over(tmp_path: Path) -> None:
    who = accounts.account()
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "precious").touch()
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "file").touch()
    for number, place in enumerate((folder, folder / "inner")):
        (place / f"to-file-{number}").symlink_to(victim / "precious")
        (place / f"to-folder-{number}").symlink_to(victim)
    who.own(folder / "to-file-0")
    assert (folder / "to-file-0").lstat().st_uid == who.uid
    who.own_all(folder)
    assert {path.lstat().st_uid for path in (folder, *folder.rglob("*"))} == {who.uid}
    assert {path.stat().st_uid for path in (victim, *victim.iterdir())} == {os.geteuid()}
