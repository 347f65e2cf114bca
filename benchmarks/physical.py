"""Physical backups beside pg_basebackup, pgBackRest and Barman."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

from benchmarks import common, data, peers
from benchmarks.common import Comparison, Options, Sample, Side
from tests.support import places

title = "Physical backups"

_FULL, _INCREMENTAL = 15, 17
_ZSTD = {"method": "zstd", "level": 3, "workers": 2}
_TAR = ("pg_basebackup", "--format=tar", "--checkpoint=fast")


def run(options: Options) -> str:
    """Full backups of a build with everything, then incremental ones."""
    return "\n\n".join((_full(options), _incremental(options)))


def _full(options: Options) -> str:
    server = options.lab.server(_FULL)
    gzip = {"method": "gzip", "workers": 2}
    sides = [
        peers.ours("pgbackstop, zstd", server, backup_type="physical", verify=False, compression=_ZSTD),
        peers.tool(
            "pg_basebackup, server-zstd, 2 workers",
            server,
            *_TAR,
            "--compress=server-zstd:level=3,workers=2",
            into="--pgdata",
        ),
        peers.ours(
            "pgbackstop, zstd, read back by pg_verifybackup",
            server,
            backup_type="physical",
            verify=True,
            compression=_ZSTD,
        ),
        peers.ours("pgbackstop, .tar.gz", server, backup_type="physical", verify=False, compression=gzip),
        peers.tool("pg_basebackup -z", server, *_TAR, "--gzip", into="--pgdata"),
    ]
    rest = peers.pgbackrest("pgBackRest, zst, 2 processes", server)
    sides += [rest] if rest else []
    sides += [peers.barman("Barman, zstd by the server, 2 workers", server)] if options.barman else []
    samples = common.interleave(server, sides, options.rounds)
    zstd = sides[0].name
    comparisons = (
        Comparison(ours=zstd, peer=sides[1].name, target=1.10),
        Comparison(ours=zstd, peer="pgBackRest, zst, 2 processes", target=0.60),
        Comparison(ours=zstd, peer="Barman, zstd by the server, 2 workers", target=0.60),
        Comparison(ours=sides[3].name, peer=sides[4].name, target=0.25),
    )
    return f"{_heading(options, _FULL)}\n\n{common.report(samples, comparisons)}"


def _incremental(options: Options) -> str:
    """The same server, changed for a while by pgbench since the full backup that the increment is on."""
    server = options.lab.server(_INCREMENTAL)
    plan = {"backup_type": "physical", "verify": False, "compression": _ZSTD}
    parent = places.make()
    peers.backup(peers.store(server, parent, plan), server)
    data.churn(server, options.churn)

    def increment(folder: Path) -> Sample:
        shutil.copytree(parent, folder, copy_function=os.link, dirs_exist_ok=True)
        (folder / "pgbackstop.yaml").unlink()
        config = peers.store(server, folder, {**plan, "incremental": {"enabled": True}})
        before = common.tree_size(folder)
        sample = peers.backup(config, server)
        return replace(sample, size=sample.size - before)

    full = peers.ours("pgbackstop, full", server, **plan)
    ours = Side(name="pgbackstop, incremental", run=increment)
    samples = common.interleave(server, (full, ours), options.rounds)
    comparison = Comparison(ours=ours.name, peer=full.name, target=0.45)
    what = f"{_heading(options, _INCREMENTAL)} The full backup, {options.churn} s of pgbench, then:"
    return f"{what}\n\n{common.report(samples, (comparison,))}"


def _heading(options: Options, major: int) -> str:
    programs = options.lab.server(major).programs
    size = common.megabytes(options.lab.size(major))
    return f"PostgreSQL {programs.version} ({programs.origin}), database of {size}."
