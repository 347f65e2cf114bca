"""Physical backups: pg_basebackup in tar format with the WAL it needs, full or incremental.

The server compresses with zstd while it sends: less on the wire, and twice as fast as doing it here.
What it cannot compress (its WAL, or everything where its build has no zstd) is compressed here, file by
file, and so is gzip, for which zstd is only the way over the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import conninfo
from pgbackstop_catalog.config.plan import Compression
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_catalog.records.source import Tablespace
from pgbackstop_runner.backup import readme
from pgbackstop_runner.backup.attempt import Attempt
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.formats import backup_manifest
from pgbackstop_runner.postgres import client_process, clock, session_options, sessions
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.storage import stored_backup
from pgbackstop_runner.system import compression, streams
from pgbackstop_runner.system.files import storage_errors

_INCREMENTAL_SINCE = 17
_NO_ZSTD = "compression with"
_NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Method:
    """Full, or incremental to ``parent``; ``fallback`` says why not what the plan asks for."""

    parent: Backup | None = None
    fallback: str = ""


def choose(attempt: Attempt, history: Iterable[Backup], *, summarize_wal: bool, major: int) -> Method:
    """Full or incremental, and why. ``history`` are the plan's attempts, the newest first."""
    wanted = attempt.plan.incremental
    if not wanted.enabled:
        return Method()
    if major < _INCREMENTAL_SINCE:
        return Method(fallback=f"PostgreSQL {major} has no incremental backups (17 and later have)")
    if not summarize_wal:
        return Method(fallback="summarize_wal is off on the server")
    past = [backup for backup in history if backup.is_available]
    chain = newest_chain(past)
    if past and not chain:
        return Method(fallback="the full backup under the newest one is gone")
    if not past or len(chain) > wanted.full_after:
        return Method()
    obstacle = _unfit(attempt, chain[0])
    return Method(fallback=obstacle) if obstacle else Method(parent=chain[0])


def newest_chain(available: Sequence[Backup]) -> tuple[Backup, ...]:
    """The newest available backup, its parent, and so on to the full one; empty where a link is missing."""
    by_id = {backup.id: backup for backup in available}
    chain: list[Backup] = []
    link = max(by_id, default=None)
    while link is not None:
        if link not in by_id:
            return ()
        chain.append(by_id[link])
        link = by_id[link].parent
    return tuple(chain)


def _unfit(attempt: Attempt, parent: Backup) -> str:
    """Why nothing can be built on ``parent``; "" where it can."""
    if foreign := _not_of_its_server(attempt.record, parent):
        return foreign
    try:
        manifest = _manifest(attempt, parent)
    except stored_backup.NotConfigured:
        return f"{parent.id} is in a storage that is not configured any more"
    except errors.PgbackstopError as error:
        return error.problem
    if parent.storage != attempt.record.storage:
        # A recovery reads the whole chain from one storage.
        return f"{parent.id} is in another storage ({parent.storage})"
    return "" if manifest.is_file() else f"{parent.id} has no {backup_manifest.NAME}"


def _not_of_its_server(record: Backup, parent: Backup) -> str:
    """Why a recovery of the record's server would not find ``parent``; "" where it would."""
    if parent.server_facts is None or record.server_facts is None:
        return f"{parent.id} does not say which server it is of"
    if parent.server_facts.system_identifier != record.server_facts.system_identifier:
        return f"{parent.id} is of another server (its system identifier differs)"
    if parent.server != record.server:
        return f"{parent.id} was made when the server was called {parent.server}"
    return ""


def _manifest(attempt: Attempt, parent: Backup) -> Path:
    return stored_backup.find(attempt.workspace, parent).path(backup_manifest.NAME)


def copy(attempt: Attempt, binaries: Binaries, method: Method) -> tuple[StoredFile, ...]:
    """Copy the server into the attempt's folder; returns what is stored. Raises AttemptFailed."""
    with attempt.step("basebackup"), storage_errors(attempt.storage):
        _basebackup(attempt, binaries, method)
        _note_the_end(attempt)
    with attempt.step("compress"), storage_errors(attempt.storage):
        _finish_compression(attempt)
    with attempt.step("hash"), storage_errors(attempt.storage):
        names = sorted(path.name for path in attempt.folder.iterdir())
        files = streams.digest_tree(attempt.folder, names)
    with attempt.step("verify"):
        found = backup_manifest.read(attempt.folder)
    attempt.note(
        start_lsn=found.start_lsn,
        stop_lsn=found.stop_lsn,
        timeline=found.timeline,
        tools={"pg_basebackup": binaries.version},
        restore_by_hand=readme.physical_commands(
            tuple(names), incremental=attempt.record.parent is not None, tablespaces=_tablespaces(attempt)
        ),
    )
    return files


def _note_the_end(attempt: Attempt) -> None:
    """What a target must not be before; where the server cannot be asked any more, our clock tells it."""
    with suppress(errors.ServerUnreachable, psycopg.Error), sessions.connect(attempt.server) as connection:
        attempt.note(consistent_at=clock.now(connection))


def _tablespaces(attempt: Attempt) -> tuple[Tablespace, ...]:
    facts = attempt.record.server_facts
    return facts.tablespaces if facts is not None else ()


def _basebackup(attempt: Attempt, binaries: Binaries, method: Method) -> None:
    """Run pg_basebackup; once more without what the server turns out not to be able to do."""
    attempt.note(
        method="incremental" if method.parent else "full",
        parent=method.parent.id if method.parent else None,
        fallback=method.fallback,
    )
    wire = _wire_compression(attempt.plan.compression)
    for _ in range(3):
        try:
            _run(attempt, binaries, method, wire)
        except AttemptFailed as error:
            if error.reason is not Reason.TOOL:
                raise
            if wire != _NONE and _NO_ZSTD in error.problem and "support" in error.problem:
                wire = _NONE
                attempt.warn("the server's build has no zstd: it sent the backup uncompressed")
            elif method.parent is not None and _incremental_impossible(error.problem):
                reason = f"an incremental backup was not possible: {error.problem.splitlines()[-1]}"
                method = Method(fallback=reason)
                attempt.note(method="full", parent=None, fallback=reason)
            else:
                raise
            _empty(attempt.folder)
        else:
            return
    raise AttemptFailed(Reason.TOOL, "pg_basebackup was refused in every way that was tried.")


def _incremental_impossible(problem: str) -> bool:
    return any(words in problem for words in ("WAL summar", "incremental", "manifest"))


def _wire_compression(wanted: Compression) -> str:
    if wanted.method == "none":
        return _NONE
    # Where gzip is wanted, zstd lives for a moment only: the fastest level.
    level = (wanted.level or compression.DEFAULT_LEVELS["zstd"]) if wanted.method == "zstd" else 1
    workers = f",workers={wanted.workers}" if wanted.workers else ""
    return f"server-zstd:level={level}{workers}"


def _run(attempt: Attempt, binaries: Binaries, method: Method, wire: str) -> None:
    target = session_options.replication_string(attempt.server, _session(attempt))
    plan = attempt.plan
    argv = [
        binaries.path("pg_basebackup"),
        f"--pgdata={attempt.folder}",
        "--format=tar",
        "--wal-method=stream",
        "--checkpoint=fast",
        "--no-sync",  # it is made durable while it is hashed
        f"--compress={wire}",
        f"--label=pgbackstop {attempt.record.id}",
        "--no-password",
        f"--dbname={target}",
    ]
    if plan.max_rate:
        argv.append(f"--max-rate={max(32, plan.max_rate // 1024)}")
    if method.parent is not None:
        argv.append(f"--incremental={_manifest(attempt, method.parent)}")
    limits = client_process.Limits.of_run(plan)
    password = conninfo.password(attempt.server)
    with (
        client_process.start("pg_basebackup", argv, password=password, limits=limits) as tool,
        streams.watching(attempt.folder, tool.feed),
        _server_progress(attempt),
    ):
        tool.finish()


@contextmanager
def _server_progress(attempt: Attempt) -> Iterator[None]:
    """Show progress from the server's own view: bytes of the cluster read, not of the files written.

    Progress is for people to see; that it cannot be read must neither end a backup nor hold it up.
    """
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(sessions.connect(attempt.server, statement_timeout=5))
        except (errors.ServerUnreachable, psycopg.Error):
            attempt.warn("the server's view of the progress could not be read")
        else:
            stack.enter_context(streams.watching(attempt.folder, _look(attempt, connection), seconds=1.0))
            stack.callback(sessions.hang_up, connection)
        yield


def _look(attempt: Attempt, connection: psycopg.Connection) -> Callable[[int], None]:
    query = """select backup_streamed, backup_total from pg_stat_progress_basebackup
               join pg_stat_replication using (pid) where application_name = %s"""

    def look(_size: int) -> None:
        with suppress(psycopg.Error):
            row = connection.execute(query, [_session(attempt)]).fetchone()
            if row is not None:
                attempt.note(progress_expected_bytes=row[1])
                attempt.progress(row[0])

    return look


def _session(attempt: Attempt) -> str:
    """The application_name by which this backup is told from others of the same server."""
    return f"{sessions.APPLICATION_NAME} {attempt.record.id}"


def _finish_compression(attempt: Attempt) -> None:
    wanted = attempt.plan.compression
    attempt.note(compression="none" if wanted.method == "none" else f"{wanted.method}:{_level(wanted)}")
    suffix = compression.SUFFIXES[wanted.method]
    for path in sorted(attempt.folder.glob("*.tar*")):
        if path.suffix != (suffix or ".tar"):
            _recompress(path, wanted)


def _level(wanted: Compression) -> int:
    return 1 if wanted.method == "gzip" else wanted.level or compression.DEFAULT_LEVELS["zstd"]


def _recompress(path: Path, wanted: Compression) -> None:
    """Bring one tar file into the compression that the plan asks for, and remove what it came from."""
    plain = path.with_suffix("") if path.suffix == ".zst" else path
    target = plain.with_name(plain.name + compression.SUFFIXES[wanted.method])
    with (
        compression.opened(path) as source,
        streams.HashingFile(target) as file,
        compression.compressed(file, wanted) as sink,
    ):
        while chunk := source.read(streams.CHUNK):
            sink.write(chunk)
    path.unlink()


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
