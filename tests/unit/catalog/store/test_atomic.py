"""A file is the old one or the new one, whole, wherever a crash comes."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from pgbackstop_catalog.store import atomic

CALLS = ("open", "fdopen", "fsync", "replace", "open", "fsync")


class Crash(BaseException):
    """The process ends here."""


def crash_at(monkeypatch: pytest.MonkeyPatch, step: int) -> list[str]:
    """Let the process end instead of the system call of that number; returns the calls that were made."""
    made: list[str] = []

    def counted(name: str, real: object) -> object:
        def call(*arguments: object, **keywords: object) -> object:
            if len(made) == step:
                raise Crash
            made.append(name)
            return real(*arguments, **keywords)  # type: ignore[operator]  # a function of os

        return call

    for owner, name in ((os, "open"), (os, "fdopen"), (os, "fsync"), (Path, "replace")):
        monkeypatch.setattr(owner, name, counted(name, getattr(owner, name)))
    return made


@pytest.mark.parametrize("step", range(len(CALLS)))
@pytest.mark.parametrize("old", [None, b"old"])
def test_a_crash_at_each_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, old: bytes | None
) -> None:
    path = tmp_path / "file"
    if old is not None:
        path.write_bytes(old)
    with monkeypatch.context() as patched:
        made = crash_at(patched, step)
        with pytest.raises(Crash):
            atomic.write(path, b"new")
    assert tuple(made) == CALLS[:step]
    found = path.read_bytes() if path.exists() else None
    assert found == (b"new" if step > CALLS.index("replace") else old)


def test_the_order_is_the_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = crash_at(monkeypatch, 99)
    atomic.write(tmp_path / "file", b"new")
    assert tuple(made) == CALLS


def test_without_durability_nothing_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = crash_at(monkeypatch, 99)
    atomic.write(tmp_path / "file", b"new", durable=False)
    assert "fsync" not in made


def test_an_error_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        atomic.write(tmp_path / "file", b"new")
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_leaves_is_known_as_temporary(tmp_path: Path) -> None:
    assert atomic.is_temporary(tmp_path / f".file.123{atomic.TEMPORARY_SUFFIX}")
    assert not atomic.is_temporary(tmp_path / "file")
    assert not atomic.is_temporary(tmp_path / ".hidden")


def test_files_and_folders_are_private(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    before = os.umask(0)
    try:
        atomic.make_folder(folder)
        atomic.make_folder(folder)
        atomic.write(folder / "file", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "file").stat().st_mode) == 0o600
    atomic.sync_file(folder / "file")


@pytest.mark.parametrize("make", [Path.symlink_to, Path.hardlink_to])
def test_what_has_a_name_already_is_never_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path, Path], None]
) -> None:
    """A folder may belong to somebody else than who writes into it, and a kill leaves a file two names."""
    victim, taken = tmp_path / "victim", atomic.temporary_beside(tmp_path / "file")
    victim.write_text("precious")
    make(taken, victim)
    with monkeypatch.context() as patched:
        patched.setattr(atomic, "temporary_beside", lambda _path: taken)
        with pytest.raises(FileExistsError):
            atomic.write(tmp_path / "file", b"new")
    assert victim.read_text() == "precious"
    assert taken.exists()
    atomic.write(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_sweep_takes_what_crashes_left_and_spares_what_is_being_written(tmp_path: Path) -> None:
    old, new, other = (
        atomic.temporary_beside(tmp_path / "a"),
        atomic.temporary_beside(tmp_path / "a"),
        tmp_path / "a",
    )
    for path in (old, new, other):
        path.touch()
        os.utime(path, (0, 0))
    os.utime(new)
    atomic.sweep(tmp_path, older_than=3600)
    assert sorted(tmp_path.iterdir()) == sorted([new, other])
    atomic.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [other]


def test_a_sweep_passes_over_what_is_no_file(tmp_path: Path) -> None:
    """Somebody else may write to the folder, too."""
    (tmp_path / ".a.1.tmp").mkdir()
    (tmp_path / ".b.999999999.tmp").symlink_to(tmp_path / ".b.999999999.tmp")
    os.mkfifo(tmp_path / ".c.999999999.tmp")
    (tmp_path / ".d.999999999.tmp").touch()
    atomic.sweep_abandoned(tmp_path)
    (tmp_path / ".e.1.tmp").touch()
    atomic.sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".a.1.tmp",
        ".b.999999999.tmp",
        ".c.999999999.tmp",
    ]
