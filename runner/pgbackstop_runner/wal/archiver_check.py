"""What the server believes is archived, against what is here: an archive_command may lie.

It reports success and archives nothing where it is ``/bin/true``, writes to another folder, or archives for
another server (pgBackRest issue 2714 among others).
"""

from __future__ import annotations

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.decisions.wal_segments import Segment
from pgbackstop_runner.wal.maintenance import ArchiveMaintainer
from pgbackstop_runner.wal.sampler import Sample

GRACE = 30.0  # seconds from the server's belief until the segment must be here


def problem(keeper: ArchiveMaintainer) -> errors.PgbackstopError | None:
    """Why archiving by archive_command does not work, or None."""
    if keeper.sampler.problem is not None:
        return keeper.sampler.problem
    sample = keeper.sampler.latest
    if sample is None:
        return None
    if sample.archive_mode == "off":
        return errors.PgbackstopError(
            "archive_mode of the server is off, so it archives nothing.", remedy=_see(keeper)
        )
    if sample.archiver_fails:
        return errors.PgbackstopError(
            "The archive_command fails on the server.", remedy="Its log says why; nothing is lost yet."
        )
    if _lies(sample, keeper):
        return errors.PgbackstopError(
            f"The server believes that {sample.archiver_last} is archived, and it is not here.",
            remedy=_see(keeper),
        )
    return None


def _lies(sample: Sample, keeper: ArchiveMaintainer) -> bool:
    believed, newest = sample.archiver_last or "", keeper.newest
    if not wal_segments.SEGMENT_NAME.fullmatch(believed) or (sample.archiver_age or 0.0) < GRACE:
        return False
    return newest is None or Segment.parse(believed, keeper.progress.state.segment_bytes) > newest


def _see(keeper: ArchiveMaintainer) -> str:
    return f"Compare archive_command with what 'pgbackstop wal archive-command {keeper.name}' prints."
