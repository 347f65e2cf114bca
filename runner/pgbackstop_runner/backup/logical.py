"""Logical backups: pg_dump in an exported snapshot, roles and globals beside it.

custom      <database>.backup          pg_dump's own archive, compressed by pg_dump
plain       <database>.sql[.zst|.gz]   SQL text, compressed on its way
directory   <database>.dir/            one file a table, several workers
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from psycopg.conninfo import make_conninfo

from pgbackstop_catalog.config import conninfo
from pgbackstop_catalog.config.plan import Compression
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_catalog.records.backup import StoredFile
from pgbackstop_catalog.store import atomic, layout
from pgbackstop_runner.backup import readme, snapshot
from pgbackstop_runner.backup.attempt import Attempt
from pgbackstop_runner.backup.snapshot import Snapshot
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.formats import dump_files
from pgbackstop_runner.postgres import (
    client_process,
    error_messages,
    session_options,
    sessions,
    shared_names,
)
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.postgres.row_counts import Table
from pgbackstop_runner.system import compression as system_compression
from pgbackstop_runner.system import log, streams
from pgbackstop_runner.system.files import storage_errors

# pg_dump compresses with zstd since 16; before, its gzip at level 1 is the best of speed and size.
_ZSTD_SINCE = 16
_OLD_CLIENT_OPTION = "1"
_SNAPSHOTS = 3
_NO_ZSTD = "does not support compression with"

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Dump:
    """What was written: the files, and the tables that the dump must contain."""

    name: str
    files: tuple[StoredFile, ...]
    tables: tuple[Table, ...]


@dataclass
class RolesDump:
    """The roles and tablespaces of the server, dumped once for several databases of a run.

    It serves a later database as long as it has every role that the snapshot of that one's dump can name.
    """

    known: frozenset[str] = frozenset()
    content: bytes = b""


def dump(attempt: Attempt, binaries: Binaries, roles: RolesDump, *, role_passwords: bool) -> Dump:
    """Dump the attempt's database. Raises AttemptFailed, ServerUnreachable."""
    plan = attempt.plan
    shared, name, files = _in_a_snapshot_that_lasts(attempt, binaries)
    with attempt.step("globals"), storage_errors(attempt.storage):
        globals_file = _globals(attempt, binaries, roles, shared.roles, passwords=role_passwords)
    attempt.note(
        restore_by_hand=readme.logical_commands(dump=name, jobs=1 if shared.not_valid else plan.jobs),
        tools={"pg_dump": binaries.version},
        excluded_tables=tuple(each.quoted for each in shared.left_out.excluded),
        schema_only_tables=tuple(each.quoted for each in shared.left_out.schema_only),
        source_not_valid=shared.not_valid,
        source_invalid_indexes=shared.invalid_indexes,
    )
    return Dump(name=name, files=(*files, globals_file), tables=shared.tables)


def _in_a_snapshot_that_lasts(
    attempt: Attempt, binaries: Binaries, left: int = _SNAPSHOTS
) -> tuple[Snapshot, str, tuple[StoredFile, ...]]:
    """Dump in a new snapshot where something was dropped before pg_dump had its locks: it has no rows yet.

    By one job where who waits for a table kept the others out, which lock it once more each: nobody can then.
    """
    try:
        return _in_a_snapshot(attempt, binaries)
    except AttemptFailed as error:
        kept_out = error_messages.is_of_jobs_kept_out(error.problem)
        if left <= 1 or not (kept_out or error_messages.is_of_what_vanished(error.problem)):
            raise
        attempt.plan = attempt.plan.evolve(jobs=1) if kept_out else attempt.plan
        jobs = attempt.plan.jobs if attempt.record.format == "directory" else None
        log.logger().info("again, in a new snapshot", backup=attempt.record.id, jobs=jobs, why=error.problem)
    with storage_errors(attempt.storage):
        attempt.sweep()
        atomic.make_folder(attempt.folder)
    return _in_a_snapshot_that_lasts(attempt, binaries, left - 1)


def _in_a_snapshot(attempt: Attempt, binaries: Binaries) -> tuple[Snapshot, str, tuple[StoredFile, ...]]:
    write = {"custom": _custom, "plain": _plain, "directory": _directory}[attempt.record.format]
    with snapshot.exported(attempt.server, attempt.record.database, attempt.plan) as shared:
        with attempt.step("dump"), storage_errors(attempt.storage):
            name, files = write(attempt, binaries, shared)
        if attempt.plan.row_counts:
            with attempt.step("count rows"):
                _record_counts(attempt, shared)
    return shared, name, files


def _record_counts(attempt: Attempt, shared: Snapshot) -> None:
    counts = shared.counts()
    known = counts.rows if counts.rows or not counts.problems else None
    attempt.note(row_counts=known, uncounted=tuple(counts.problems))
    for warning in counts.warnings():
        attempt.warn(warning)


def _custom(attempt: Attempt, binaries: Binaries, shared: Snapshot) -> tuple[str, tuple[StoredFile, ...]]:
    name = f"{layout.folder_name(attempt.record.database)}.backup"

    def write(option: str) -> tuple[StoredFile, ...]:
        (attempt.folder / name).unlink(missing_ok=True)
        argv = [*_argv(attempt, binaries, shared), "--format=custom", f"--compress={option}"]
        _write_itself(attempt, argv, name, shared)
        return streams.digest_tree(attempt.folder, [name])

    return name, _with_client_compression(attempt, binaries, write)


def _plain(attempt: Attempt, binaries: Binaries, shared: Snapshot) -> tuple[str, tuple[StoredFile, ...]]:
    compression = attempt.plan.compression
    name = (
        f"{layout.folder_name(attempt.record.database)}.sql{system_compression.SUFFIXES[compression.method]}"
    )
    if name == dump_files.GLOBALS:  # a database of that name would share a file with the roles
        name = f"database-{name}"
    attempt.note(compression=_text(compression))
    argv = [*_argv(attempt, binaries, shared), "--format=plain", "--create"]
    return name, (_to_file(attempt, argv, name, shared),)


def _directory(attempt: Attempt, binaries: Binaries, shared: Snapshot) -> tuple[str, tuple[StoredFile, ...]]:
    name = f"{layout.folder_name(attempt.record.database)}.dir"
    folder = attempt.folder / name

    def write(option: str) -> tuple[StoredFile, ...]:
        argv = [
            *_argv(attempt, binaries, shared),
            "--format=directory",
            f"--jobs={attempt.plan.jobs}",
            f"--compress={option}",
        ]
        _write_itself(attempt, argv, name, shared)
        names = [f"{name}/{each}" for each in sorted(os.listdir(folder))]  # noqa: PTH208 - a Path each costs more
        return streams.digest_tree(attempt.folder, names)

    return name, _with_client_compression(attempt, binaries, write)


def _write_itself(attempt: Attempt, argv: list[str], name: str, shared: Snapshot) -> None:
    """Let pg_dump write an archive: in a file, unlike in a pipe, it notes where each table begins.

    pg_restore needs that to work with several jobs. It is made durable while it is hashed.
    """
    argv = [*argv, "--no-sync", f"--file={attempt.folder / name}"]
    password, limits = conninfo.password(attempt.server), client_process.Limits.of_run(attempt.plan)
    with (
        client_process.start("pg_dump", argv, password=password, limits=limits) as tool,
        streams.watching(attempt.folder, _progress(tool, attempt, shared)),
    ):
        tool.finish()


def _to_file(attempt: Attempt, argv: list[str], name: str, shared: Snapshot) -> StoredFile:
    """Run pg_dump into one file that is compressed on its way."""
    password, limits = conninfo.password(attempt.server), client_process.Limits.of_run(attempt.plan)
    with (
        client_process.start("pg_dump", argv, password=password, limits=limits, pipe_output=True) as tool,
        streams.HashingFile(attempt.folder / name) as target,
        system_compression.compressed(target, attempt.plan.compression) as sink,
    ):
        streams.widen(tool.stdout)
        streams.pump(tool.stdout, sink, _progress(tool, attempt, shared))
        # The exit status decides before the end of the frame makes the file look whole.
        tool.finish()
    return target.stored(name)


def _with_client_compression(attempt: Attempt, binaries: Binaries, write: Callable[[str], T]) -> T:
    """Let pg_dump compress as the plan asks; where its build cannot, by its gzip, on record."""
    wanted = attempt.plan.compression
    option = _text(wanted) if binaries.major >= _ZSTD_SINCE else str(_text(wanted).partition(":")[2] or 0)
    if wanted.method == "zstd" and binaries.major < _ZSTD_SINCE:
        reason = f"pg_dump {binaries.version} cannot compress with zstd (16 and later can)"
        return _fall_back(attempt, write, reason)
    try:
        attempt.note(compression=_text(wanted))
        return write(option)
    except AttemptFailed as error:
        if error.reason is not Reason.TOOL or _NO_ZSTD not in error.problem:
            raise
        return _fall_back(attempt, write, f"this build of pg_dump {binaries.version} has no {wanted.method}")


def _fall_back(attempt: Attempt, write: Callable[[str], T], reason: str) -> T:
    attempt.note(
        compression="gzip:1", fallback=f"gzip instead of {attempt.plan.compression.method}: {reason}"
    )
    return write(_OLD_CLIENT_OPTION)


def _globals(
    attempt: Attempt, binaries: Binaries, roles: RolesDump, wanted: frozenset[str], *, passwords: bool
) -> StoredFile:
    """Roles, their memberships and settings, tablespaces."""
    path = attempt.folder / dump_files.GLOBALS
    if not roles.content or not wanted <= roles.known:
        stored = _dump_roles(attempt, binaries, path, passwords=passwords)
        roles.known, roles.content = wanted, path.read_bytes()
        return stored
    with streams.HashingFile(path) as target:
        target.write(roles.content)
    return target.stored(dump_files.GLOBALS)


def _dump_roles(attempt: Attempt, binaries: Binaries, path: Path, *, passwords: bool) -> StoredFile:
    with sessions.connect(attempt.server) as connection:
        there = shared_names.database_of_roles(connection)
    argv = [
        binaries.path("pg_dumpall"),
        "--globals-only",
        "--no-password",
        *([] if passwords else ["--no-role-passwords"]),
        f"--dbname={session_options.connection_string(attempt.server, None, 'pgbackstop')}",
        f"--database={make_conninfo('', dbname=there)}",  # it passes over the one in --dbname
    ]
    password, limits = conninfo.password(attempt.server), client_process.Limits.of_run(attempt.plan)
    with (
        client_process.start("pg_dumpall", argv, password=password, limits=limits, pipe_output=True) as tool,
        streams.HashingFile(path) as target,
    ):
        streams.pump(tool.stdout, target, tool.feed)
        tool.finish()
    return target.stored(dump_files.GLOBALS)


def _argv(attempt: Attempt, binaries: Binaries, shared: Snapshot) -> list[str]:
    target = session_options.connection_string(
        attempt.server, attempt.record.database, f"pgbackstop {attempt.record.id}"
    )
    return [
        binaries.path("pg_dump"),
        "--no-password",
        f"--snapshot={shared.name}",
        f"--lock-wait-timeout={round(attempt.plan.lock_timeout * 1000)}",
        *shared.left_out.options(),
        *([f"--encoding={facts.encoding}"] if (facts := attempt.record.database_facts) else []),
        f"--dbname={target}",
    ]


def _progress(tool: client_process.Tool, attempt: Attempt, shared: Snapshot) -> Callable[[int], None]:
    """Tell how far pg_dump has come; at its first byte it has its connections, and counting may begin."""

    def tell(total: int) -> None:
        tool.feed(total)
        attempt.progress(total)
        if total and attempt.plan.row_counts:
            shared.start_counting()

    return tell


def _text(compression: Compression) -> str:
    if compression.method == "none":
        return "none"
    return (
        f"{compression.method}:{compression.level or system_compression.DEFAULT_LEVELS[compression.method]}"
    )
