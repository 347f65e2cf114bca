"""A data directory whose server asks restore-wal.sh for segments, and an archive that has them."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from pgbackstop_catalog.decisions.wal_segments import Segment
from pgbackstop_runner.recover import server_settings
from tests.support import backups

SIZE = 65536
COUNT = 40
AHEAD = 12  # of the script
SHELLS = [name for name in ("dash", "bash", "busybox") if shutil.which(name)]
PACK = {".lz4": ["lz4", "-q", "-c"], ".zst": ["zstd", "-q", "-c"], "": ["cat"]}
# Holds whatever is unpacked until the file "go" is there, all but the first segment: the moment in which one
# is in progress lasts 100 microseconds otherwise.
SLOW = """#!/bin/sh
echo "$*" >>{folder}/calls
case $* in *{first}*) ;; *) while [ ! -f {folder}/go ]; do sleep 0.02; done ;; esac
exec {lz4} "$@"
"""


def name_of(number: int, timeline: int = 1) -> str:
    return Segment(timeline=timeline, number=number).name(SIZE)


def content(number: int) -> bytes:
    return random.Random(number).randbytes(SIZE // 2) + bytes(SIZE // 2)  # noqa: S311 - the same in every run


@dataclass
class Asker:
    """A data directory as its server sees it, and an archive; ``owner`` is in the place of the postmaster."""

    folder: Path
    data: Path
    archive: Path
    shell: str
    owner: int

    def path(self, number: int) -> Path:
        """Where the archive has it."""
        name = name_of(number)
        return next(self.archive.joinpath(name[:16]).glob(f"{name}*"))

    def spool(self) -> list[Path]:
        return sorted(path for each in self.spools() for path in each.iterdir())

    def spools(self) -> list[Path]:
        return sorted((self.data / "pg_wal").glob("pgbackstop-*"))

    def ready(self) -> list[str]:
        return [path.name for path in self.spool() if len(path.name) == 24]

    def unpacked(self) -> list[str]:
        """What lies where PostgreSQL looks: the segment that it asked for, or a part of it."""
        return [path.name for path in (self.data / "pg_wal").iterdir() if path.is_file()]

    def lanes(self) -> list[psutil.Process]:
        """The processes in the background: they have the data directory as their own."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.cwd() == str(self.data) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def idle(self) -> None:
        backups.until(lambda: not self.lanes(), "the background to end")

    def start(self, name: str) -> subprocess.Popen[bytes]:
        script = self.data / server_settings.SCRIPT
        command = server_settings.fetching(script, self.archive, SIZE)["restore_command"]
        command = command.replace("%f", name).replace("%p", "pg_wal/RECOVERYXLOG")
        shell = str(shutil.which(self.shell))
        command = command.replace("/bin/sh", f"{shell} sh" if self.shell == "busybox" else shell)
        return subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=self.data,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={"PATH": f"{self.folder}/bin:/usr/bin:/bin"},
        )

    def ask(self, name: str) -> tuple[int, bytes | None, str]:
        """Exit status, the segment where it came, and what was said."""
        with self.start(name) as process:
            said = process.communicate(timeout=backups.PATIENCE)[1].decode()
        target = self.data / "pg_wal" / "RECOVERYXLOG"
        found = target.read_bytes() if target.exists() else None
        target.unlink(missing_ok=True)
        return process.returncode, found, said

    def gets(self, number: int) -> None:
        assert self.ask(name_of(number)) == (0, content(number), "")

    def kill(self) -> None:
        """End all that works in the background at one moment: nobody clears up after another's death."""
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in self.lanes():
                with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended by itself
                    process.send_signal(number)

    def slow(self, first: int) -> None:
        tool = self.folder / "bin" / "lz4"
        tool.parent.mkdir()
        tool.write_text(SLOW.format(folder=self.folder, first=name_of(first), lz4=shutil.which("lz4")))
        tool.chmod(0o755)

    def go(self) -> None:
        (self.folder / "go").touch()

    def says_it_runs(self, started: int = 1) -> None:
        (self.data / "postmaster.pid").write_text(f"{self.owner}\n{self.data}\n{started}\n5432\n")


def fill(archive: Path, suffix: str, count: int = COUNT) -> None:
    for number in range(1, count + 1):
        name = name_of(number)
        folder = archive / name[:16]
        folder.mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(PACK[suffix], input=content(number), stdout=subprocess.PIPE, check=True)
        (folder / f"{name}{suffix}").write_bytes(packed.stdout)
    (archive / "archive.json").write_text("{}")


def an_asker(folder: Path, archive: Path, shell: str = "dash") -> Asker:
    data = folder / "data"
    (data / "pg_wal").mkdir(parents=True)
    server_settings.install_script(data)
    new = Asker(folder=folder, data=data, archive=archive, shell=shell, owner=os.getpid())
    new.says_it_runs()
    return new


@contextlib.contextmanager
def cared_for(asker: Asker) -> Iterator[Asker]:
    """Nothing is left, also where the test failed."""
    try:
        yield asker
    finally:
        asker.go()
        for process in asker.lanes():
            with contextlib.suppress(psutil.Error):
                process.kill()
