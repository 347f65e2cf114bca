"""The newest runs of a plan, and its newest drills: what a fleet's state is made of, without the rest.

A thousand servers have a hundred thousand records, and their state follows from the newest few of each
plan. Records are read newest first and no further than needed; of a catalog in a folder only headlines.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

from pgbackstop_catalog import regular_file
from pgbackstop_catalog.decisions.attempts import Attempt, Subject, attempt_of
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.store import listing, summary
from pgbackstop_catalog.store.folder import FolderCatalog
from pgbackstop_catalog.store.summary import BackupSummary
from pgbackstop_runner.workspace import Workspace

# How many times the longest pause between due times is looked back: a run may have been late, or missed.
_PAUSES = 2
_MOST_BYTES = 2**20
_OF_DRILL = b'"proof": "drill"'
_STATUSES = frozenset(map(str, Status))
_REASONS = frozenset(map(str, Reason))
R = TypeVar("R", Backup, Proof)


class Drilled(NamedTuple):
    """When a drill of a database, or of a server, last succeeded and last failed; Unix seconds, 0 = never."""

    success: float = 0.0
    failure: float = 0.0


def attempts(workspace: Workspace, plan: str, pause: float) -> list[Attempt]:
    """Those of the plan's newest runs, and back to a good one of each database in them.

    ``pause`` is the longest between two due times, in seconds. Raises CatalogError.
    """
    found: list[Attempt] = []
    lacking, good = set[str](), set[str]()
    reach = 0.0
    for each in _newest_first(workspace, plan):
        if each.started < reach and not lacking:
            break
        found.append(each)
        database = each.subject.database
        if not database and each.subject.backup_type == "logical":
            continue  # of the whole plan: which databases it has, an earlier run tells
        reach = reach or each.started - _PAUSES * pause
        if each.status is Status.SUCCEEDED:
            good.add(database)
            lacking.discard(database)
        elif database not in good:
            lacking.add(database)
    return found


def drills(workspace: Workspace, plan: str, subjects: Iterable[str]) -> dict[str, Drilled]:
    """The newest drills of these databases of a plan. Raises CatalogError."""
    lacking, found = set(subjects), dict[str, Drilled]()
    for database, status, ended in _drills_newest_first(workspace, plan):
        known = found.get(database, Drilled())
        if status is Status.SUCCEEDED and not known.success:
            found[database] = known._replace(success=ended)
            lacking.discard(database)
        elif status is Status.FAILED and not known.failure and not known.success:
            found[database] = known._replace(failure=ended)
        if not lacking:
            break
    return found


def _newest_first(workspace: Workspace, plan: str) -> Iterator[Attempt]:
    if not isinstance(workspace.catalog, FolderCatalog):
        from pgbackstop_catalog.store.postgres import plan_state  # noqa: PLC0415 - psycopg, as it is needed

        return map(attempt_of, plan_state.newest_attempts(workspace.catalog, plan))
    paths = listing.newest_first(workspace.catalog.root, "backups", plan)
    found = (_attempt(workspace, each) for each in summary.read(paths, workspace.on_invalid_record))
    return (each for each in found if each is not None)


def _attempt(workspace: Workspace, each: BackupSummary) -> Attempt | None:
    is_plain = each.status in _STATUSES and (each.reason is None or each.reason in _REASONS)
    if is_plain and each.reason != Reason.CORRUPT:  # which may be a stored one that was condemned
        return _of_summary(each)
    record = _by_the_codec(workspace, Backup, each.path) if each.path else None
    return attempt_of(record) if record is not None else None


def _of_summary(each: BackupSummary) -> Attempt:
    status = Status(each.status)
    started = each.started_at.timestamp()
    ended = each.finished_at.timestamp() if each.finished_at else started
    return Attempt(
        id=each.id,
        subject=Subject(each.server, each.database, each.backup_type),
        status=status,
        started=started,
        finished=0.0 if status is Status.RUNNING else ended,
        duration=each.duration_seconds or 0.0,
        reason=_reason(status, each.reason),
        missed_runs=max(1, each.missed_runs) if status is Status.MISSED else 0,
        size=-1 if each.size_bytes is None else each.size_bytes,
        incremental=each.method == "incremental",
        expired=each.expired_at is not None,
        vanished=0 if each.is_acknowledged else len(each.vanished),
        storage=each.storage or "",
    )


def _reason(status: Status, reason: str | None) -> Reason | None:
    if status is Status.INTERRUPTED:
        return Reason.INTERRUPTED
    return Reason(reason or Reason.INTERNAL) if status is Status.FAILED else None


def _drills_newest_first(workspace: Workspace, plan: str) -> Iterator[tuple[str, Status, float]]:
    if not isinstance(workspace.catalog, FolderCatalog):
        from pgbackstop_catalog.store.postgres import plan_state  # noqa: PLC0415 - psycopg, as it is needed

        every = plan_state.drills(workspace.catalog, plan)
        return ((each.database, each.status, _unix(each.finished_at)) for each in every)
    paths = listing.newest_first(workspace.catalog.root, "proofs", plan)
    found = (_drill(workspace, path) for path in paths)
    return (each for each in found if each is not None)


def _drill(workspace: Workspace, path: Path) -> tuple[str, Status, float] | None:
    """Of most proofs, which are no drills, the text alone is looked at."""
    try:
        text = regular_file.read(path, _MOST_BYTES)
        if _OF_DRILL not in text:
            return None
        found = json.loads(text)
        ended = datetime.fromisoformat(found["finished_at"]) if found["finished_at"] else None
        return str(found["database"]), Status(found["status"]), _unix(ended)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        proof = _by_the_codec(workspace, Proof, path)
        is_drill = proof is not None and proof.proof == "drill"
        return (proof.database, proof.status, _unix(proof.finished_at)) if proof and is_drill else None


def _by_the_codec(workspace: Workspace, kind: type[R], path: Path) -> R | None:
    try:
        return workspace.said(kind, path)
    except OSError as error:
        raise listing.unreadable(path, error) from error


def _unix(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0
