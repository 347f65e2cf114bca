"""What is refused before anything is touched: each with one sentence, and nothing left behind."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from tests.integration.recover.primary import Primary
from tests.support import backups

VALIDATION = errors.ValidationError.exit_code
CATALOG = errors.CatalogError.exit_code
CONFIG = errors.ConfigError.exit_code


def refused(primary: Primary, *words: str, code: int = VALIDATION, into: Path | None = None) -> str:
    """Recovers, which must be refused; returns the sentence. Nothing of the target may be there."""
    place = into or primary.target()
    before = sorted(place.rglob("*")) if place.exists() else None
    done = primary.recover(place, *words)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert (sorted(place.rglob("*")) if place.exists() else None) == before
    return backups.sentence(done)


@contextmanager
def replaced(path: Path, content: bytes | None) -> Iterator[None]:
    """Other bytes in a file, or no file, for a while."""
    before = path.read_bytes()
    try:
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        yield
    finally:
        path.write_bytes(before)
        path.chmod(0o600)


def flipped(path: Path) -> bytes:
    """Its bytes with one bit of the middle the other way."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    return bytes(content)


def test_targets_outside_the_window(history17: Primary) -> None:
    backup = history17.site.newest()
    assert backup.finished_at
    early = (backup.started_at - timedelta(hours=1)).isoformat()
    inside = (backup.started_at + (backup.finished_at - backup.started_at) / 2).isoformat()
    late = (backup.finished_at + timedelta(days=1)).isoformat()
    assert "before the first moment" in refused(history17, "--time", early)
    assert "inside backup" in refused(history17, "--time", inside)
    words = refused(history17, "--time", late)
    assert "after the last moment" in words
    assert "One can recover to any moment of" in words
    assert "no time zone" in refused(history17, "--time", "2026-11-22T14:03:00", code=CONFIG)
    assert "after the last WAL" in refused(history17, "--lsn", "FF/0")
    assert "before the end of every backup" in refused(history17, "--lsn", "0/10")
    assert "No backup leads to timeline 9" in refused(history17, "--timeline", "9")


def test_a_pause_without_a_target(history17: Primary) -> None:
    assert "no target to pause at" in refused(history17, "--pause", "--start", code=CONFIG)


def test_places_that_are_taken(history17: Primary, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "precious").write_text("mine")
    assert "is not empty" in refused(history17, into=taken)
    assert (taken / "precious").read_text() == "mine"
    assert "running server" in refused_live(history17)
    assert "is inside" in refused(history17, into=history17.server.data / "base" / "new")
    assert "inside the storage local" in refused(history17, into=history17.site.store / "new")
    file = tmp_path / "file"
    file.write_text("")
    assert "cannot be used" in refused(history17, into=file)


def refused_live(primary: Primary) -> str:
    done = primary.recover(primary.server.data)
    assert done.returncode == VALIDATION
    assert primary.server.execute("select count(*) from beats") == [(40,)]
    return backups.sentence(done)


def test_tablespaces_that_are_not_there(history17: Primary) -> None:
    words = refused(history17, "--tablespace", "99=/new")
    assert "has no tablespace 99" in words


@pytest.mark.parametrize("how", ["missing", "flipped", "cut"])
def test_a_segment_that_is_not_what_was_archived(history17: Primary, how: str) -> None:
    path = sorted(history17.archive.glob("0*/*.lz4"))[-1]
    content = {"missing": None, "flipped": flipped(path), "cut": path.read_bytes()[:-20]}[how]
    with replaced(path, content):
        words = refused(history17, code=CATALOG)
    assert f"WAL segment {path.name[:24]}" in words
    assert ("cannot be read" if how == "missing" else "is damaged") in words


@pytest.mark.parametrize("how", ["missing", "flipped", "cut", "rubbish"])
@pytest.mark.parametrize("name", ["base.tar.zst", "backup_manifest"])
def test_a_base_file_that_is_not_what_was_stored(history17: Primary, name: str, how: str) -> None:
    path = history17.site.path(history17.site.newest()) / name
    changed = {
        "missing": None,
        "flipped": flipped(path),
        "cut": path.read_bytes()[:-20],
        "rubbish": b"rubbish" * 1000,
    }
    with replaced(path, changed[how]):
        words = refused(history17, code=CATALOG)
    assert str(path) in words
    assert "another copy" in words


def test_a_tool_that_is_not_installed(history17: Primary, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "dd", "wc", "cat"):
        (folder / name).symlink_to(str(shutil.which(name)))
    place = history17.target()
    done = history17.recover(place, env={"PATH": str(folder)})
    assert done.returncode == VALIDATION
    assert "lz4 is not installed" in backups.sentence(done)
    assert not place.exists()


def test_a_dry_run_touches_nothing(history17: Primary) -> None:
    place = history17.target()
    records = len(list(history17.site.catalog.restores()))
    done = history17.recover(place, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert history17.site.newest().id in done.stdout
    assert "time   about" in done.stdout
    assert not place.exists()
    assert len(list(history17.site.catalog.restores())) == records
