"""pg_receivewal: where it starts, how it is watched, what its last words mean.

It starts after the newest completed segment in its folder, else at the slot's restart_lsn. Completed
segments leave that folder at once, so the newest archived one is shown to it as a marker: a file of a
segment's size that is one hole. That way it asks for exactly the next segment, which the server often
still has even where the slot was dropped, and it fetches nothing twice.

It opens a compressed ``.partial`` without truncating it, and what was longer before would stay behind
the new end. So a ``.partial`` is moved aside before each start; those bytes are kept until the segment
is complete, since with the server lost they would be the newest there are.
"""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.decisions.wal_segments import Segment
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.postgres import (
    client_process,
    client_programs,
    error_messages,
    refusals,
    session_options,
)
from pgbackstop_runner.wal import segment_file

APPLICATION_NAME = "pgbackstop-wal"
PARTIAL_SUFFIX = ".partial"
STOP_SECONDS = 10.0


def arguments(
    server: Server, programs: client_programs.Binaries, receiving: Path, compression: segment_file.Compression
) -> list[str]:
    """The command line of pg_receivewal. zstd it does not know: we compress then."""
    if not programs.has("pg_receivewal"):
        raise errors.ConfigError(
            f"There is no pg_receivewal in {programs.folder}.",
            remedy=f"Install postgresql-client-{programs.major}, or set bin_dir of the server.",
        )
    method = "lz4" if compression == "lz4" else "none"
    return [
        programs.path("pg_receivewal"),
        f"--dbname={session_options.replication_string(server, APPLICATION_NAME)}",
        f"--directory={receiving}",
        f"--slot={server.wal.slot}",
        f"--compress={method}",
        "--status-interval=1",
        # Else lz4 keeps up to a block in its memory: received, counted, and lost with the process.
        "--synchronous",
        "--no-loop",
        "--no-password",
    ]


def place_marker(receiving: Path, segment: Segment, segment_bytes: int) -> None:
    """Let pg_receivewal start after ``segment``; where that lies there itself, it stays as it is."""
    with contextlib.suppress(FileExistsError), (receiving / segment.name(segment_bytes)).open("xb") as file:
        file.truncate(segment_bytes)


def remove_markers(receiving: Path) -> None:
    """Take all markers away again."""
    for path in receiving.iterdir():
        if wal_segments.SEGMENT_NAME.fullmatch(path.name) and path.stat().st_blocks == 0:
            path.unlink()


def renew_folder(archive: Path) -> None:
    """Give what is begun now a folder that no other pg_receivewal has open, with what lay in the one before.

    One of a host that was frozen writes by the folder that it began in: it finds no name of ours there.
    Raises OSError.
    """
    receiving = archive / wal_segments.RECEIVING_NAME
    former = archive / f"{wal_segments.RECEIVING_NAME}.former"
    atomic.make_folder(receiving)
    _empty(former, receiving)
    receiving.rename(former)
    atomic.make_folder(receiving)
    _empty(former, receiving)
    atomic.sync_folder(receiving)


def _empty(former: Path, receiving: Path) -> None:
    if former.is_dir():
        for path in former.iterdir():
            path.rename(receiving / path.name)
        former.rmdir()


def set_partial_aside(archive: Path) -> None:
    """Move what an earlier connection left unfinished; of two for one segment the longer one stays."""
    aside = archive / wal_segments.ASIDE_NAME
    for path in (archive / wal_segments.RECEIVING_NAME).glob(f"*{PARTIAL_SUFFIX}"):
        kept = aside / path.name
        if kept.exists() and kept.stat().st_size >= path.stat().st_size:
            path.unlink()
        else:
            path.replace(kept)
    atomic.sync_folder(aside)


def drop_passed(archive: Path, newest: Segment, segment_bytes: int) -> None:
    """Remove partials whose segment is archived by now; those of another timeline stay, they may matter."""
    for path in (archive / wal_segments.ASIDE_NAME).iterdir():
        if wal_segments.SEGMENT_NAME.match(path.name):
            segment = Segment.parse(path.name[:24], segment_bytes)
            if segment.timeline == newest.timeline and segment <= newest:
                path.unlink(missing_ok=True)


def stop(tool: client_process.Tool) -> None:
    """End pg_receivewal so that it finishes its file: SIGTERM does that from 16 on, SIGINT always."""
    if tool.process.poll() is None:
        tool.process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            tool.process.wait(timeout=STOP_SECONDS)
    tool.kill()


def start_was_refused(words: str) -> bool:
    """Whether the server cannot send from the marked position, so that the slot's must do."""
    return re.search(_REFUSED, words) is not None


def begins_with_a_timeline(words: str) -> bool:
    """Whether the server's timeline begins exactly where the received WAL ends.

    There is nothing to send on the old one then: the server names the next, and pg_receivewal expects rows.
    """
    return re.search(_NO_ROWS, words) is not None


def lacks_lz4(words: str) -> bool:
    """Whether this build of pg_receivewal knows no lz4."""
    return "does not support compression with LZ4" in words


BLIND = (
    "The role may not see how far the stream has come, so only complete segments count as received. "
    "Run GRANT pg_monitor TO {user} as superuser."
)
_NO_ROWS = r'(?m)could not send replication command "START_REPLICATION": *$'
_REFUSED = (
    r"has already been removed|is not in this server's history|is ahead of the WAL flush position"
    r"|history forked from timeline"
)


def explain(words: str, server: Server) -> errors.PgbackstopError:
    """One sentence with what to do, from the last words of pg_receivewal."""
    where = server.address
    found = error_messages.meaning(words, refusals.STREAMING)
    if found is not None:
        given = {"where": where, "user": server.user, "slot": server.wal.slot}
        return errors.PgbackstopError(found.sentence.format(**given), remedy=found.remedy.format(**given))
    last = words.strip().splitlines()[-1:] or ["it said nothing"]
    return errors.PgbackstopError(f"pg_receivewal ended: {last[0]}")
