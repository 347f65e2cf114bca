"""Logical backups beside pg_dump of the same client."""

from __future__ import annotations

from benchmarks import common, peers
from benchmarks.common import Comparison, Options
from benchmarks.data import DATABASE, Lab

title = "Logical backups"

_NEW, _OLD = 17, 15
_ZSTD = {"method": "zstd", "level": 3}


def run(options: Options) -> str:
    """A client that compresses with zstd, and one from before 16, each beside its own pg_dump."""
    return "\n\n".join((_new_client(options), _old_client(options)))


def _new_client(options: Options) -> str:
    server = options.lab.server(_NEW)
    dump = ("pg_dump", f"--dbname={DATABASE}")
    sides = (
        peers.ours(
            "pgbackstop, directory, zstd, 2 jobs",
            server,
            backup_type="logical",
            format="directory",
            jobs=2,
            verify=False,
            compression=_ZSTD,
        ),
        peers.ours(
            "pgbackstop, directory, zstd, 2 jobs, read back",
            server,
            backup_type="logical",
            format="directory",
            jobs=2,
            verify=True,
            compression=_ZSTD,
        ),
        peers.tool(
            "pg_dump -Fd -j2 --compress=zstd:3",
            server,
            *dump,
            "-Fd",
            "-j2",
            "--compress=zstd:3",
            into="--file",
        ),
        peers.ours(
            "pgbackstop, .backup, zstd",
            server,
            backup_type="logical",
            format="custom",
            verify=False,
            compression=_ZSTD,
        ),
        peers.tool(
            "pg_dump -Fc --compress=zstd:3 > file", server, *dump, "-Fc", "--compress=zstd:3", output="dump"
        ),
        peers.tool("pg_dump -Fc > file (gzip)", server, *dump, "-Fc", output="dump"),
    )
    names = [side.name for side in sides]
    comparisons = (
        Comparison(ours=names[0], peer=names[2], target=1.10),
        Comparison(ours=names[0], peer=names[5], target=0.40),
        Comparison(ours=names[3], peer=names[4], target=1.10),
        Comparison(ours=names[1], peer=names[0], target=1.30),
    )
    samples = common.interleave(server, sides, options.rounds)
    return f"{_heading(options.lab, _NEW)}\n\n{common.report(samples, comparisons)}"


def _old_client(options: Options) -> str:
    server = options.lab.server(_OLD)
    ours = peers.ours(
        "pgbackstop, .backup, client 15", server, backup_type="logical", format="custom", verify=False
    )
    peer = peers.tool(
        "pg_dump -Fc > file (gzip), client 15",
        server,
        "pg_dump",
        f"--dbname={DATABASE}",
        "-Fc",
        output="dump",
    )
    samples = common.interleave(server, (ours, peer), options.rounds)
    comparison = Comparison(ours=ours.name, peer=peer.name, target=0.55)
    return f"{_heading(options.lab, _OLD)}\n\n{common.report(samples, (comparison,))}"


def _heading(lab: Lab, major: int) -> str:
    programs = lab.server(major).programs
    return (
        f"PostgreSQL {programs.version} ({programs.origin}), database of {common.megabytes(lab.size(major))}."
    )
