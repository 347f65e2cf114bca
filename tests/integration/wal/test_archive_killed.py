"""The archive_command killed at each of its steps: the next try of the same file mends the archive."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pgbackstop_runner.wal import archive_command
from tests.support import places

NAME = "000000010000000000000007"
SUFFIXES = {"lz4": ".lz4", "zstd": ".zst", "none": ""}
UNPACK = {".lz4": ["lz4", "-dcq"], ".zst": ["zstd", "-dcq"]}
TOOLS = ("cat", "cmp", "ln", "lz4", "mkdir", "mktemp", "mv", "rm", "sync", "zstd")
SHELLS = [name for name in ("dash", "bash", "busybox") if shutil.which(name)]
STEPS = 40  # more than the script ever makes
# Stands in the place of each tool and kills the script at the call whose number is in the file "at".
KILLER = """#!/bin/sh
PATH='{path}'
call=1
while ! mkdir {folder}/calls/$call 2>/dev/null; do call=$((call + 1)); done
[ $call -eq "$(cat {folder}/at)" ] || {{ {fail}exec {real} "$@"; }}
{before}
kill -KILL "$SCRIPT"
{after}
"""


@dataclass
class Archiver:
    """An archive, a file for it, and tools that kill."""

    folder: Path
    shell: str = "sh"
    how: str = "lz4"
    name: str = NAME

    def __post_init__(self) -> None:
        self.archive, self.source = self.folder / "the archive", self.folder / "source"
        self.tools = self.folder / "tools"
        self.source.write_bytes(random.Random(1).randbytes(2**17) + bytes(2**17))  # noqa: S311
        self.tools.mkdir()
        self.begin()

    def begin(self) -> None:
        """An archive in which nothing was ever stored."""
        shutil.rmtree(self.archive, ignore_errors=True)
        archive_command.install(self.archive)
        self.incoming.mkdir()

    @property
    def incoming(self) -> Path:
        return self.archive / "incoming"

    @property
    def place(self) -> Path:
        """Where the file comes to lie."""
        folder = self.archive / NAME[:16] if self.name.endswith(".backup") else self.incoming
        return folder / (self.name + ("" if self.name.endswith(".history") else SUFFIXES[self.how]))

    def arm(self, when: str, *, linkless: bool = False) -> None:
        """Put the tools into their places; ``linkless`` as on a file system without hard links."""
        for tool in TOOLS:
            real = shutil.which(tool)
            run = f'{real} "$@"'
            text = KILLER.format(
                path=os.environ["PATH"],
                folder=self.folder,
                real=real,
                fail="exit 1; " if linkless and tool == "ln" else "",
                before="" if when != "after" or (linkless and tool == "ln") else run,
                after=run if when == "orphaned" else "",
            )
            path = self.tools / tool
            path.write_text(text)
            path.chmod(0o755)

    def run(self, *, kill_at: int = 0) -> int:
        """The script's exit status; a kill at call ``kill_at`` gives -SIGKILL."""
        (self.folder / "at").write_text(str(kill_at))
        shutil.rmtree(self.folder / "calls", ignore_errors=True)
        (self.folder / "calls").mkdir()
        words = [self.how, str(self.archive), str(self.source), self.name]
        script = str(self.archive / archive_command.SCRIPT_NAME)
        shell = ["busybox", "sh"] if self.shell == "busybox" else [self.shell]
        done = subprocess.run(
            ["sh", "-c", 'export SCRIPT=$$; exec "$@"', "sh", *shell, script, *words],
            env={**os.environ, "PATH": f"{self.tools}:{os.environ['PATH']}"},
            check=False,
            stderr=subprocess.PIPE,
            timeout=120,
        )
        return done.returncode

    def whole(self) -> bool:
        """Whether the archive holds the file once, whole, and nothing else."""
        kept = [path for path in self.archive.rglob("*") if path.is_file()]
        return (
            sorted(kept) == sorted([self.place, self.archive / archive_command.SCRIPT_NAME])
            and self.place.stat().st_nlink == 1
            and self.content() == self.source.read_bytes()
        )

    def content(self) -> bytes:
        unpack = UNPACK.get(self.place.suffix, ["cat"])
        return subprocess.run([*unpack, self.place], check=True, capture_output=True).stdout


@pytest.fixture
def folder() -> Iterator[Path]:
    made = places.make()
    yield made
    places.remove(made)


def killed_at_each_step(archiver: Archiver, prepare: str = "") -> int:
    """Kill at the first call, the second, …, until a run comes to its end; returns the number of kills."""
    for step in range(1, STEPS):
        archiver.begin()
        if prepare:
            assert archiver.run() == 0
            spoil(archiver, prepare)
        status = archiver.run(kill_at=step)
        if status == 0:
            assert archiver.whole()
            return step - 1
        assert status == -signal.SIGKILL
        assert archiver.run() == 0, f"after a kill at call {step}"
        assert archiver.whole(), f"after a kill at call {step}"
    raise AssertionError("the script never came to its end")


def spoil(archiver: Archiver, how: str) -> None:
    """What the script before this one could leave of a file that it had archived."""
    old = archiver.place.with_name(f".{archiver.name}.tmp")
    if how in {"two names", "emptied"}:
        old.hardlink_to(archiver.place)
    if how == "emptied":
        os.truncate(old, 0)


# A history file is never compressed, and what is not a segment is compressed in the same way.
@pytest.mark.parametrize("when", ["before", "after", "orphaned"])
@pytest.mark.parametrize(
    ("name", "how"),
    [*((NAME, how) for how in SUFFIXES), (f"{NAME}.00000028.backup", "lz4"), ("00000002.history", "lz4")],
)
def test_the_next_try_mends_what_a_kill_left(folder: Path, name: str, how: str, when: str) -> None:
    archiver = Archiver(folder, how=how, name=name)
    archiver.arm(when)
    assert killed_at_each_step(archiver) >= 7


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_same_on_a_file_system_without_hard_links(folder: Path, when: str) -> None:
    archiver = Archiver(folder)
    archiver.arm(when, linkless=True)
    assert killed_at_each_step(archiver) >= 9


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("left", "how"),
    [*(("two names", how) for how in SUFFIXES), *itertools.product(("nothing", "emptied"), ("lz4", "none"))],
)
def test_the_same_where_the_file_is_there_already(folder: Path, left: str, how: str, when: str) -> None:
    archiver = Archiver(folder, how=how)
    archiver.arm(when)
    assert killed_at_each_step(archiver, left) >= 3


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("taken_in", [False, True])
@pytest.mark.parametrize("left", ["two names", "emptied"])
def test_what_an_earlier_script_left_heals(folder: Path, shell: str, left: str, taken_in: bool) -> None:
    archiver = Archiver(folder, shell=shell)
    assert archiver.run() == 0
    spoil(archiver, left)
    place = archiver.place
    if taken_in:  # the receiver has moved it meanwhile, and left the other name
        place = archiver.archive / NAME[:16] / archiver.place.name
        place.parent.mkdir()
        archiver.place.rename(place)
    assert archiver.run() == 0
    assert place.stat().st_nlink == 1
    assert list(archiver.incoming.iterdir()) == ([] if taken_in else [place])
    unpacked = subprocess.run(["lz4", "-dcq", place], check=True, capture_output=True).stdout
    assert unpacked == archiver.source.read_bytes()


def test_what_appears_meanwhile_is_judged_by_its_content(folder: Path) -> None:
    archiver = Archiver(folder)
    archiver.arm("before")
    ln = archiver.tools / "ln"
    ln.write_text(f'#!/bin/sh\n{shutil.which("cp")} "$1" "$2"\nexit 1\n')
    assert archiver.run() == 0
    assert archiver.whole()
    archiver.begin()
    ln.write_text('#!/bin/sh\necho another >"$2"\nexit 1\n')
    assert archiver.run() == 1
    assert archiver.place.read_text() == "another\n"
    assert list(archiver.incoming.iterdir()) == [archiver.place]


def test_a_try_whose_file_is_swept_away_is_no_success(folder: Path) -> None:
    """Two tries at once, as after an immediate shutdown of the server: the later one succeeds."""
    archiver = Archiver(folder)
    archiver.arm("before")
    lz4 = shutil.which("lz4")
    again = " ".join(f"'{each}'" for each in (archiver.archive, archiver.source, NAME))
    (archiver.tools / "lz4").write_text(
        f'#!/bin/sh\n{lz4} "$@"\n'
        f"PATH='{os.environ['PATH']}' sh '{archiver.archive / archive_command.SCRIPT_NAME}' lz4 {again} >&2\n"
    )
    assert archiver.run() == 1
    assert archiver.whole()
    assert archiver.run() == 0
    assert archiver.whole()
