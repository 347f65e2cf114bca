"""Restoring: a logical backup beside pg_restore, a physical one beside zstd and tar, and pgBackRest."""

from __future__ import annotations

import shlex
import statistics
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks import common, peers
from benchmarks.common import Command, Comparison, Options, Sample, Side
from benchmarks.data import DATABASE
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_catalog.store.folder import FolderCatalog
from tests.support import places
from tests.support.servers import Server

title = "Restoring"

_LOGICAL, _PHYSICAL = 17, 15
_BESIDE = "bench_by_hand"
# What pg_restore does not do: statistics, exact row counts, indexes and constraints. The hashes are read
# before the first step, and count for us.
_APART = ("analyze", "validate")
_DOWNTIME_TARGET = 5.0
_ZSTD = {"method": "zstd", "level": 3, "workers": 2}


def run(options: Options) -> str:
    """Logical, then physical."""
    return "\n\n".join((_logical(options), _physical(options)))


@dataclass(kw_only=True)
class _Logical:
    """A backup of the database in a store, restored over the database again and again."""

    server: Server
    config: Path
    records: list[Restore] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)

    def dump(self) -> Path:
        return next(self.config.parent.rglob("*.backup"))

    def ours(self, folder: Path) -> Sample:
        """`pgbackstop restore`, with the swap; the seconds are without what pg_restore does not do."""
        sample = common.timed(_command(self.config, self.server, "restore", "--jobs=2", *_REPLACE), folder)
        record = _newest(self.config)
        drop = ("restore", "--drop-old", record.id, "--yes-replace", record.replaced_database)
        common.quietly(_command(self.config, self.server, *drop))
        self.records.append(record)
        self.whole.append(sample.seconds)
        apart = sum(step.duration_seconds for step in record.steps if step.name in _APART)
        return replace(sample, seconds=sample.seconds - apart)

    def by_hand(self, folder: Path) -> Sample:
        """createdb and pg_restore -j2 of the same file."""
        tools = [str(self.server.programs.tool(name)) for name in ("createdb", "pg_restore")]
        createdb, restore, dump = (shlex.quote(word) for word in (*tools, str(self.dump())))
        line = (
            f"{createdb} --template=template0 {_BESIDE} && "
            f"{restore} --jobs=2 --exit-on-error --dbname={_BESIDE} {dump}"
        )
        command = Command(
            argv=["/bin/sh", "-c", line], server=self.server, environment=self.server.environment
        )
        try:
            return common.timed(command, folder)
        finally:
            self.server.execute(f"drop database if exists {_BESIDE}")


_REPLACE = ("--yes-replace", DATABASE)


def _command(config: Path, server: Server, *words: str) -> Command:
    argv = [str(peers.PGBACKSTOP), "--config", str(config), *words]
    return Command(argv=argv, server=server, watch_memory=True)


def _newest(config: Path) -> Restore:
    return next(iter(_catalog(config).restores()))


def _catalog(config: Path) -> FolderCatalog:
    return FolderCatalog(config.parent / "catalog")


def _logical(options: Options) -> str:
    server = options.lab.server(_LOGICAL)
    store = places.make()
    try:
        plan = {"backup_type": "logical", "format": "custom", "databases": [DATABASE], "compression": _ZSTD}
        config = peers.store(server, store, plan)
        peers.backup(config, server)
        work = _Logical(server=server, config=config)
        sides = (
            Side(name="pgbackstop restore, 2 jobs, without validation", run=work.ours),
            Side(name="createdb; pg_restore -j2", run=work.by_hand),
        )
        samples = common.interleave(server, sides, options.rounds)
    finally:
        places.remove(store)
    comparison = Comparison(ours=sides[0].name, peer=sides[1].name, target=1.10)
    parts = (
        _heading(options, _LOGICAL),
        common.report(samples, (comparison,)),
        _steps(work, options.rounds),
    )
    return "\n\n".join(parts)


def _steps(work: _Logical, rounds: int) -> str:
    """What is listed apart, and the seconds without service."""
    kept = work.records[-rounds:]
    rows = [("whole command", f"{statistics.median(work.whole[-rounds:]):.2f}", "", "")]
    for name in _APART:
        rows.append((name, f"{statistics.median(_duration(each, name) for each in kept):.2f}", "", ""))
    down = statistics.median(each.downtime_seconds or 0.0 for each in kept)
    verdict = common.met(down, _DOWNTIME_TARGET)
    rows.append(("without service (fence to answer)", f"{down:.2f}", f"< {_DOWNTIME_TARGET:.0f}", verdict))
    return common.table(("of that restore", "median s", "target", "met"), rows)


def _duration(record: Restore, name: str) -> float:
    return sum(step.duration_seconds for step in record.steps if step.name == name)


def _physical(options: Options) -> str:
    server = options.lab.server(_PHYSICAL)
    store = places.make()
    try:
        config = peers.store(
            server, store, {"backup_type": "physical", "compression": _ZSTD, "verify": False}
        )
        peers.backup(config, server)
        backup = next(iter(_catalog(config).backups()))
        sides = [_recover(config, server), _tar(config.parent / (backup.location or ""), backup, server)]
        rest = peers.pgbackrest_restore("pgBackRest restore, 2 processes", server, store)
        sides += [rest] if rest else []
        samples = common.interleave(server, sides, options.rounds)
    finally:
        places.remove(store)
    comparisons = (
        Comparison(ours=sides[0].name, peer=sides[1].name, target=1.15),
        Comparison(ours=sides[0].name, peer="pgBackRest restore, 2 processes", target=1.00),
    )
    missing = "" if rest else "\n\npgBackRest is not installed here, and was left out."
    return f"{_heading(options, _PHYSICAL)}\n\n{common.report(samples, comparisons)}{missing}"


def _recover(config: Path, server: Server) -> Side:
    """`pgbackstop recover`, to the directory that can be started, on disk."""

    def run(folder: Path) -> Sample:
        words = ("recover", "bench", "--immediate", "--into", str(folder / "data"))
        return common.timed(_command(config, server, *words), folder)

    return Side(name="pgbackstop recover (files)", run=run)


def _tar(source: Path, backup: Backup, server: Server) -> Side:
    """The lines of RESTORE.md that unpack, and a sync."""

    def run(folder: Path) -> Sample:
        target = folder / "data"
        target.mkdir(mode=0o700)
        lines = []
        for stored in sorted(backup.files, key=lambda each: each.path):
            if ".tar" in stored.path:
                place = target / "pg_wal" if stored.path.startswith("pg_wal") else target
                lines.append(f"zstd -dcq {shlex.quote(stored.path)} | tar -xf - -C {shlex.quote(str(place))}")
        line = " && ".join([*lines, f"sync -f {shlex.quote(str(target))}"])
        argv = ["/bin/sh", "-c", f"cd {shlex.quote(str(source))} && {line}"]
        return common.timed(Command(argv=argv, server=server), folder)

    return Side(name="zstd and tar x, sync", run=run)


def _heading(options: Options, major: int) -> str:
    programs = options.lab.server(major).programs
    size = common.megabytes(options.lab.size(major))
    return f"PostgreSQL {programs.version} ({programs.origin}), database of {size}."
