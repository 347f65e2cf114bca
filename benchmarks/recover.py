"""Replaying WAL: our restore_command on compressed segments beside cp of uncompressed ones.

Every side replays the same WAL into a fresh copy of the same base backup, with the same settings. What counts
is the time of the redo, as PostgreSQL itself reports it.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import common, data
from benchmarks.common import Options
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_runner.recover import server_settings
from tests.support import accounts, places
from tests.support.servers import Server

title = "Replaying WAL"

_MAJOR = 15
_TARGET = 1.15
_CHURN_SECONDS = 10
_PATIENCE = 600
_REDO = re.compile(r"redo done at .* elapsed: ([0-9.]+) s")
_TOOLS = {"lz4": ["lz4", "-q", "-1"], "zst": ["zstd", "-q", "-3"]}


@dataclass(frozen=True, kw_only=True)
class Trail:
    """A base backup and the WAL after it, as it is; ``segments`` are its files."""

    server: Server
    folder: Path
    base: Path
    plain: Path
    segments: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Reader:
    """One way to fetch WAL: its settings, by the data directory, and the stored bytes that it reads."""

    name: str
    lines: Callable[[Path], dict[str, str]]
    stored: int


def run(options: Options) -> str:
    """Make the WAL, replay it by each reader in turn."""
    server = options.lab.server(_MAJOR)
    folder = places.make()
    try:
        trail = _make(server, folder, wanted=round(options.size_bytes * 0.6))
        readers = [_cp(trail), *(_ours(trail, suffix) for suffix in _TOOLS)]
        seconds = _interleave(trail, readers, options.rounds)
        return f"{_heading(trail, options)}\n\n{_table(readers, seconds)}"
    finally:
        places.remove(folder)


def _heading(trail: Trail, options: Options) -> str:
    programs = trail.server.programs
    return (
        f"PostgreSQL {programs.version} ({programs.origin}), database of "
        f"{common.megabytes(options.lab.size(_MAJOR))}; {len(trail.segments)} segments of pgbench."
    )


def _make(server: Server, folder: Path, *, wanted: int) -> Trail:
    accounts.unprivileged().own(folder)
    base, plain = folder / "base", folder / "plain"
    plain.mkdir()
    accounts.unprivileged().own(plain)
    _archive_by(server, f"cp %p {plain}/%f")
    try:
        program = str(server.programs.tool("pg_basebackup"))
        argv = [program, f"--pgdata={base}", "--wal-method=none", "--checkpoint=fast", "--no-sync"]
        environment = {**os.environ, **server.environment}
        subprocess.run(argv, env=environment, check=True, capture_output=True)
        first = _position(server)
        while _position(server) - first < wanted:
            data.churn(server, _CHURN_SECONDS, durable=False)
        last = str(server.execute("select pg_walfile_name(pg_switch_wal() - 1)")[0][0])
        common.until(lambda: _archived(server) >= last, "the last segment to be archived", _PATIENCE)
    finally:
        _archive_by(server, "true")
    names = sorted(path.name for path in plain.iterdir() if wal_segments.SEGMENT_NAME.fullmatch(path.name))
    return Trail(server=server, folder=folder, base=base, plain=plain, segments=tuple(names))


def _archived(server: Server) -> str:
    return str(server.execute("select coalesce(last_archived_wal, '') from pg_stat_archiver")[0][0])


def _archive_by(server: Server, command: str) -> None:
    server.execute(f"alter system set archive_command = '{command}'")
    server.execute("select pg_reload_conf()")


def _position(server: Server) -> int:
    return wal_segments.parse_lsn(str(server.execute("select pg_current_wal_lsn()")[0][0]))


def _cp(trail: Trail) -> Reader:
    return Reader(
        name="cp, uncompressed",
        lines=lambda _data: {"restore_command": f'cp {trail.plain}/%f "%p"'},
        stored=common.tree_size(trail.plain),
    )


def _ours(trail: Trail, suffix: str) -> Reader:
    """The same WAL as our archive has it."""
    archive = trail.folder / suffix
    for name in trail.segments:
        place = archive / name[:16]
        place.mkdir(parents=True, exist_ok=True)
        with (trail.plain / name).open("rb") as plain, (place / f"{name}.{suffix}").open("wb") as stored:
            subprocess.run([*_TOOLS[suffix], "-c"], stdin=plain, stdout=stored, check=True)
    (archive / wal_segments.IDENTITY_NAME).write_text("{}")

    def lines(directory: Path) -> dict[str, str]:
        return server_settings.fetching(
            server_settings.install_script(directory), archive, wal_segments.DEFAULT_SEGMENT_BYTES
        )

    return Reader(name=f"pgbackstop, {suffix}", lines=lines, stored=common.tree_size(archive))


def _interleave(trail: Trail, readers: Sequence[Reader], rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {reader.name: [] for reader in readers}
    for number in range(rounds + 1):
        for reader in readers:
            seconds = _replay(trail, reader)
            kind = f"round {number}" if number else "discarded"
            print(f"  {reader.name}: {seconds:.2f} s of redo ({kind})", flush=True)
            if number:
                found[reader.name].append(seconds)
    return found


def _replay(trail: Trail, reader: Reader) -> float:
    """Seconds of redo, by PostgreSQL's own log."""
    clone = Server(trail.server.programs)
    try:
        shutil.copytree(trail.base, clone.data, symlinks=True)
        shared = {"archive_mode": "off", "log_min_messages": "log", "recovery_target_timeline": "1"}
        clone.configure({**shared, **reader.lines(clone.data)})
        (clone.data / "recovery.signal").touch()
        clone.data.chmod(0o700)
        account = accounts.unprivileged()
        for path in (clone.folder, *clone.folder.rglob("*")):
            account.own(path)
        os.sync()
        clone.password = trail.server.password
        clone.start_on_free_port()
        common.until(
            lambda: clone.execute("select not pg_is_in_recovery()")[0][0] is True, "the replay", _PATIENCE
        )
        match = _REDO.search(clone.log.read_text(errors="replace"))
        if match is None:
            raise common.Failed(f"no redo in the log: {clone.log_tail()}")
        return float(match[1])
    finally:
        clone.close()


def _table(readers: Sequence[Reader], seconds: dict[str, list[float]]) -> str:
    peer = readers[0].name
    rows = []
    for reader in readers:
        runs = seconds[reader.name]
        median = statistics.median(runs)
        ratio = median / statistics.median(seconds[peer])
        pairs = [one / other for one, other in zip(runs, seconds[peer], strict=True)]
        ours = reader.name != peer
        rows.append(
            (
                reader.name,
                f"{median:.2f}",
                f"{min(runs):.2f} to {max(runs):.2f}",
                common.megabytes(reader.stored),
                f"**{ratio:.2f}**" if ours else "1.00",
                f"{min(pairs):.2f} to {max(pairs):.2f}" if ours else "",
                f"≤ {_TARGET:.2f}" if ours else "",
                common.met(ratio, _TARGET) if ours else "",
            )
        )
    head = ("redo by", "median s", "range", "stored", "ratio of time", "of single rounds", "target", "met")
    return common.table(head, rows)
