"""What grows with the number of things: tables, databases of one run; and what a run costs before them."""

from __future__ import annotations

import statistics
from pathlib import Path

from benchmarks import common, peers
from benchmarks.common import Command, Comparison, Options, Sample, Side
from benchmarks.data import full_build
from tests.support.servers import Server

title = "Many tables, many databases"

_MAJOR = 17
TABLES, DATABASES = 20_000, 61
FIXED = 0.3  # seconds that a run may take longer than the tool alone
# pg_dump locks every table at once: https://www.postgresql.org/docs/current/runtime-config-locks.html
_SETTINGS = {"shared_buffers": "256MB", "max_locks_per_transaction": "1024", "autovacuum": "off"}
_TABLE = """do $$ begin for n in {first}..{last} loop
    execute format('create table t%s as select g as id, md5(g::text) as v from generate_series(1, 20) g', n);
end loop; end $$"""
_SMALL = "create table t as select g as id, md5(g::text) as v from generate_series(1, 1000) g"


def run(options: Options) -> str:
    """Each shape beside PostgreSQL's own tool, on a server of its own."""
    with Server(full_build(_MAJOR), settings=_SETTINGS) as server:
        _fill(server)
        parts = (
            _tables(server, options.rounds),
            _databases(server, options.rounds),
            _one(server, options.rounds),
        )
    return "\n\n".join(parts)


def _fill(server: Server) -> None:
    server.execute("create database many")
    with server.connect("many") as connection:
        for first in range(0, TABLES, 1000):
            connection.execute(_TABLE.format(first=first, last=first + 999))
    for name in _names():
        server.execute(f"create database {name}")
        server.execute(_SMALL, name)


def _names() -> list[str]:
    return [f"small_{number}" for number in range(DATABASES)]


def _ours(name: str, server: Server, **plan: object) -> Side:
    return peers.ours(name, server, backup_type="logical", verify=False, **plan)


def _tables(server: Server, rounds: int) -> str:
    zstd = {"method": "zstd", "level": 3}
    dump = ("pg_dump", "--dbname=many", "--compress=zstd:3")
    sides = (
        _ours(
            "pgbackstop, directory, 2 jobs", server, databases=["many"], format="directory", compression=zstd
        ),
        peers.tool("pg_dump -Fd -j2", server, *dump, "-Fd", "-j2", into="--file"),
        _ours("pgbackstop, .backup", server, databases=["many"], format="custom", compression=zstd),
        peers.tool("pg_dump -Fc", server, *dump, "-Fc", into="--file"),
    )
    names = [side.name for side in sides]
    comparisons = (
        Comparison(ours=names[0], peer=names[1], target=1.30),
        Comparison(ours=names[2], peer=names[3], target=1.30),
    )
    samples = common.interleave(server, sides, rounds)
    return f"{TABLES:,} tables of 20 rows.\n\n{common.report(samples, comparisons)}"


def _databases(server: Server, rounds: int) -> str:
    def loop(folder: Path) -> Sample:
        script = 'for name in "$@"; do "$PG_DUMP" -Fc --dbname="$name" --file="$TARGET/$name" || exit 1; done'
        environment = {
            **server.environment,
            "PG_DUMP": str(server.programs.tool("pg_dump")),
            "TARGET": str(folder),
        }
        argv = ["/bin/sh", "-c", script, "loop", *_names()]
        return common.timed(Command(argv=argv, server=server, environment=environment), folder)

    sides = (
        _ours("pgbackstop, two databases at a time", server, databases=_names()),
        Side(name="pg_dump -Fc in a loop", run=loop),
    )
    comparison = Comparison(ours=sides[0].name, peer=sides[1].name, target=1.30)
    samples = common.interleave(server, sides, rounds)
    return f"{DATABASES} databases of one table.\n\n{common.report(samples, (comparison,))}"


def _one(server: Server, rounds: int) -> str:
    name = _names()[0]
    sides = (
        _ours("pgbackstop", server, databases=[name]),
        peers.tool("pg_dump -Fc", server, "pg_dump", f"--dbname={name}", "-Fc", into="--file"),
    )
    samples = common.interleave(server, sides, rounds)
    text = "One database of one table: what a run costs before it has any bytes."
    return f"{text}\n\n{common.table(*_costs(samples))}"


def _costs(samples: common.Samples) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    ours, peer = (statistics.median(each.seconds for each in runs) for runs in samples.values())
    row = (
        f"{ours:.2f}",
        f"{peer:.2f}",
        f"{ours - peer:.2f}",
        f"≤ {FIXED:.2f}",
        common.met(ours - peer, FIXED),
    )
    return ("pgbackstop, s", "pg_dump, s", "difference, s", "target", "met"), [row]
