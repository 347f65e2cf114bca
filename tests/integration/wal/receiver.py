"""A receiver as a process against a real server, and a recovery with standard tools alone."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil

from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.decisions.wal_segments import WalState
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store import wal_index
from pgbackstop_catalog.store.folder import FolderCatalog
from pgbackstop_runner.system.state_folder import StateFolder
from pgbackstop_runner.wal import state as wal_state
from tests.support import accounts, factories, forks, install_postgres, places, storages
from tests.support.servers import Server

DEADLINE = 120.0  # seconds; what is waited for takes one or two
# How often the receiver samples the server and writes its state, in seconds; the tests wait for these.
PAUSES = {
    "pgbackstop_runner.wal.sampler.INTERVAL": 0.2,
    "pgbackstop_runner.wal.maintenance.STATE_INTERVAL": 0.2,
    "pgbackstop_runner.wal.maintenance.BACKUPS_INTERVAL": 0.5,
    "pgbackstop_runner.wal.maintenance.WINDOWS_INTERVAL": 1.0,
}
T = TypeVar("T")


def wait_for(what: str, probe: Callable[[], T | None], seconds: float = DEADLINE) -> T:
    """The first true value of ``probe``. Raises AssertionError when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


@dataclass
class Receiver:
    """One server, one configuration, one archive; the receiver can be started and killed again and again."""

    server: Server
    folder: Path = field(default_factory=places.make)
    wal: dict[str, Any] = field(default_factory=dict)
    user: str = "postgres"
    password_file: Path | None = None
    password_command: list[str] | None = None
    bin_dir: Path | None = None
    more: dict[str, Any] = field(default_factory=dict)
    pauses: Mapping[str, float] = field(default_factory=dict)  # over PAUSES, as forks.start knows them
    forked: bool = True  # as forks.start knows it, too
    process: subprocess.Popen[str] | None = None
    errors: Path = field(init=False)

    def __post_init__(self) -> None:
        self.errors = self.folder / "stderr"
        self.errors.touch()

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def archive(self) -> Path:
        return self.store / "backups" / "wal_archive" / "main"

    @property
    def catalog(self) -> Path:
        return self.folder / "catalog"

    @property
    def slot(self) -> str:
        return str(self.wal.get("slot", "pgbackstop"))

    @property
    def _password(self) -> dict[str, Any]:
        if self.password_command is not None:
            return {"password_command": self.password_command}
        return {"password_file": str(self.password_file or self.server.password_file)}

    def configure(self) -> Path:
        """Write the configuration as it stands now."""
        document = {
            "servers": {
                "main": {
                    "port": self.server.port,
                    "user": self.user,
                    **self._password,
                    "bin_dir": str(self.bin_dir or self.server.programs.folder),
                    "wal": self.wal,
                }
            },
            "storages": {"local": {"kind": "folder", "path": str(self.store)}},
            "catalog": str(self.catalog),
            **self.more,
        }
        path = self.folder / "pgbackstop.yaml"
        path.write_text(json.dumps(document))
        if not self.catalog.exists():
            storages.create_for(path)
        return path

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``pgbackstop`` to its end."""
        return forks.run("--config", str(self.configure()), *words)

    def start(self) -> subprocess.Popen[str]:
        """Start the receiver."""
        with self.errors.open("ab") as errors:
            words = ("--config", str(self.configure()), "wal", "receive", "main")
            self.process = forks.start(
                *words,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                pauses={**PAUSES, **self.pauses},
                forked=self.forked,
            )
        return self.process

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the receiver by a signal; returns its exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        status = self.process.wait(DEADLINE)
        self.process = None
        return status

    def close(self) -> None:
        """End what runs and remove what is there."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(DEADLINE)
        if self.server.running:
            self.drop_slot()
        places.remove(self.folder)

    def drop_slot(self) -> None:
        """Drop the slot as an administrator would: end its user first."""
        query = f"select active_pid from pg_replication_slots where slot_name = '{self.slot}'"

        def dropped() -> bool:
            rows = self.server.execute(query)
            if not rows:
                return True
            if rows[0][0] is not None:
                self.server.execute(f"select pg_terminate_backend({rows[0][0]})")
            with contextlib.suppress(Exception):
                self.server.execute(f"select pg_drop_replication_slot('{self.slot}')")
            return False

        wait_for("the slot is dropped", dropped)

    @property
    def pid(self) -> int:
        """The receiver's process."""
        assert self.process is not None
        return self.process.pid

    @property
    def receivewal(self) -> psutil.Process | None:
        """The pg_receivewal of the running receiver."""
        assert self.process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children():
                if child.name() == "pg_receivewal" and child.status() != psutil.STATUS_ZOMBIE:
                    return child
        return None

    def state(self) -> WalState | None:
        return wal_state.read(StateFolder(self.catalog).wal("main"))

    def until(self, what: str, probe: Callable[[WalState], object], seconds: float = DEADLINE) -> WalState:
        """Wait until the receiver's state is so; a failure shows the state and the log."""

        def look() -> WalState | None:
            state = self.state()
            return state if state is not None and probe(state) else None

        try:
            return wait_for(what, look, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.state()}\n{self.errors.read_text()[-3000:]}") from None

    def streaming(self) -> WalState:
        """Wait until this process of the receiver streams."""
        assert self.process is not None
        pid = self.process.pid
        return self.until("it streams", lambda state: state.status == "streaming" and state.pid == pid)

    def entries(self) -> dict[str, wal_segments.Entry]:
        return dict(wal_index.Index(self.archive).refresh())

    def segments(self) -> list[str]:
        """The names of the archived segments."""
        return sorted(name for name, entry in self.entries().items() if entry.is_segment)

    def fill(self, count: int = 1) -> str:
        """Complete ``count`` segments with something in each; returns the last one's name."""
        name = ""
        for _ in range(count):
            self.server.execute("create table if not exists filler (a int, b text)")
            self.server.execute("insert into filler select g, md5(g::text) from generate_series(1, 2000) g")
            # The end position of a switch is the segment's last byte plus one: hence minus one.
            name = str(self.server.execute("select pg_walfile_name(pg_switch_wal() - 1)")[0][0])
        return name

    def arrived(self, name: str, seconds: float = DEADLINE) -> None:
        """Wait until the segment is archived and indexed."""
        try:
            wait_for(f"{name} is archived", lambda: name in self.entries(), seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.state()}\n{self.errors.read_text()[-3000:]}") from None

    def whole(self) -> None:
        """No gap, no duplicate, every hash right, by the index and by sha256sum."""
        names = self.segments()
        numbers = [int(name[8:16], 16) * 256 + int(name[16:], 16) for name in names]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        lines = (self.archive / "index.jsonl").read_text().splitlines()
        assert len(lines) == len(self.entries())
        sums = "".join(f"{entry.sha256}  {entry.path}\n" for entry in self.entries().values())
        check = subprocess.run(
            ["sha256sum", "--check", "--quiet"], input=sums, text=True, cwd=self.archive, check=False
        )
        assert check.returncode == 0

    def base_backup_record(self, **changes: Any) -> Backup:
        """A record of a physical backup that has just succeeded, in the catalog."""
        now = utc_now()
        lsn = str(self.server.execute("select pg_current_wal_lsn()")[0][0])
        facts: dict[str, Any] = {"started_at": now, "start_lsn": lsn, "stop_lsn": lsn, "timeline": 1}
        record = factories.instant(utc_now(), plan="main-physical", **{**facts, **changes})
        FolderCatalog(self.catalog).put(record)
        return record


def documented_script() -> str:
    """restore-wal.sh as the manual has it: what people will copy is what is proven."""
    manual = (install_postgres.ROOT / "docs" / "how-to" / "archive-wal.md").read_text(encoding="utf-8")
    (script,) = (
        block for block in manual.split("```sh\n") if block.startswith("#!/bin/sh\n# restore-wal.sh")
    )
    return script.partition("```")[0]


def base_backup(server: Server, folder: Path) -> Path:
    """A plain base backup without WAL, so that recovery needs the archive."""
    target = folder / "base"
    subprocess.run(
        [server.programs.tool("pg_basebackup"), "-D", target, "-X", "none", "-c", "fast", "--no-sync"],
        env={**os.environ, **server.environment},
        check=True,
        capture_output=True,
    )
    return target


@contextlib.contextmanager
def recovered(server: Server, base: Path, archive: Path) -> Iterator[Server]:
    """A server recovered from ``base`` and the archive, with shell and standard tools; ended afterwards."""
    new = Server(server.programs)
    try:
        shutil.copytree(archive, new.folder / "wal")
        shutil.copytree(base, new.data)
        script = new.folder / "restore.sh"
        script.write_text(documented_script())
        (new.data / "recovery.signal").touch()
        new.configure(
            {
                "restore_command": f"sh {script} {new.folder / 'wal'} %f %p",
                "archive_mode": "off",
            }
        )
        new.data.chmod(0o700)
        account = accounts.unprivileged()
        for path in (new.folder, *new.folder.rglob("*")):
            account.own(path)
        new.password = server.password
        new.start_on_free_port()
        wait_for("recovery ends", lambda: new.execute("select not pg_is_in_recovery()")[0][0], 120)
        yield new
    finally:
        new.close()
