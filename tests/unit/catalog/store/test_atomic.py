"""A file is the old one or the new one, whole, wherever a crash comes."""

import os
import stat
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


def test_a_link_in_the_place_of_the_temporary_file_leads_nowhere(tmp_path: Path) -> None:
    """A folder may belong to somebody else than who writes into it."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / f".file.{os.getpid()}{atomic.TEMPORARY_SUFFIX}").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        atomic.write(tmp_path / "file", b"new")
    assert victim.read_text() == "precious"
    atomic.write(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
