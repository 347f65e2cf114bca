"""Expire: what retention lets go is marked on record first, then its bytes are removed.

One thing that cannot be removed stops nothing: it is reported, and tried again the next time. A backup
that somebody reads (a lease) is left for the next time. Nothing is found by a name's pattern: what is
removed is what a record names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.keep import Keep
from pgbackstop_catalog.decisions import retention
from pgbackstop_catalog.decisions.counts import folded
from pgbackstop_catalog.decisions.retention import Verdict
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.copy import expire as copy_expire
from pgbackstop_runner.copy import storage_retention
from pgbackstop_runner.expire import folders, wal
from pgbackstop_runner.storage import identity
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class ExpireResult:
    """What was decided of each backup of a plan, and of each copy that a storage's own ``keep`` judges; what
    could not be done. ``locked`` is what may not be deleted yet."""

    verdicts: tuple[Verdict, ...]
    problems: tuple[str, ...] = ()
    locked: tuple[str, ...] = ()
    wal_segments: int = 0
    records: int = 0


def lock_name(plan_name: str) -> str:
    """The lock of a plan's expire: one at a time."""
    return f"expire-{plan_name}"


def after_success(workspace: Workspace, plan_name: str) -> None:
    """Expire a plan after one of its backups succeeded; whatever goes wrong is logged, not raised."""
    try:
        outcome = run(workspace, plan_name)
    except (errors.PgbackstopError, OSError) as error:
        log.logger().error("expire failed", plan=plan_name, message=str(error))
        return
    for problem in outcome.problems:
        log.logger().warning("not removed", plan=plan_name, message=problem)


def decide(workspace: Workspace, plan_name: str, *, now: datetime | None = None) -> tuple[Verdict, ...]:
    """What would be kept and removed, database by database; then in each storage that has a ``keep``.

    Raises NotFound, CatalogError.
    """
    keep, now = workspace.plan(plan_name).effective_keep(), now or utc_now()
    backups, _ = _judged(workspace, plan_name)
    own = _decide(workspace, plan_name, backups, keep, now)
    return own + storage_retention.verdicts(workspace, plan_name, now)


def run(workspace: Workspace, plan_name: str, *, now: datetime | None = None) -> ExpireResult:
    """Expire one plan. Raises NotFound, Busy where it is being expired, CatalogError."""
    keep, moment = workspace.plan(plan_name).effective_keep(), now or utc_now()
    with workspace.state.held(lock_name(plan_name), f"Expire of plan {plan_name}"):
        backups, problems = _judged(workspace, plan_name)
        verdicts = _decide(workspace, plan_name, backups, keep, moment)
        unknown = _unknown(workspace, backups)
        going = [] if unknown else [each.backup for each in verdicts if not each.kept]
        problems += [*unknown, *folders.expire(workspace, going, moment)]
        for backup in backups:
            if backup.expired_at is not None:
                problems += folders.remove_leftovers(workspace, backup)
        verdicts += storage_retention.verdicts(workspace, plan_name, moment)
        copies = copy_expire.CopiesExpired()
        if not unknown:
            copies = copy_expire.of_plan(workspace, plan_name, moment)
        problems += copies.problems
        segments, wal_problems = wal.run(workspace, workspace.plan(plan_name).server)
        records = 0 if problems else fold(workspace, plan_name, now=now)
    return ExpireResult(
        verdicts=verdicts,
        problems=tuple(dict.fromkeys((*problems, *wal_problems))),
        locked=copies.locked,
        wal_segments=segments,
        records=records,
    )


def let_go(workspace: Workspace, plan_name: str, now: datetime) -> tuple[tuple[Verdict, ...], list[str]]:
    """Remove a plan's backups but what is pinned or built on; what went, and what could not.

    The caller holds the plan's lock. Raises CatalogError.
    """
    backups, problems = _judged(workspace, plan_name)
    if unknown := _unknown(workspace, backups):
        return (), [*problems, *unknown]
    pinned = {each.id: each for each in backups if each.is_available and each.is_pinned(now)}
    needed = _with_parents(_needed_elsewhere(workspace, plan_name, backups) | pinned, backups)
    available = [each for each in backups if each.is_available]
    going = [each for each in available if each.id not in needed]
    problems += [_stays(each, needed[each.id]) for each in available if each.id in needed]
    problems += folders.expire(workspace, going, now)
    for backup in backups:
        if backup.expired_at is not None:
            problems += folders.remove_leftovers(workspace, backup)
    reasons = ("its plan is not in the configuration",)
    return tuple(Verdict(backup=each, kept=False, reasons=reasons) for each in going), problems


def _stays(backup: Backup, holder: Backup) -> str:
    if holder.plan == backup.plan:
        return f"{backup.id} stays: {holder.id} is pinned. 'pgbackstop unpin {holder.id}' lets it go."
    return (
        f"{backup.id} stays: {holder.id} of plan {holder.plan} is built on it. Give it to that plan too: "
        f"'pgbackstop catalog assign {backup.plan} {holder.plan}'."
    )


def _judged(workspace: Workspace, plan_name: str) -> tuple[list[Backup], list[str]]:
    """The plan's backups but for those in a storage that is not there, and a sentence for each such storage.

    Neither is anything of theirs judged, nor does one of them let another backup go.
    """
    backups = list(workspace.catalog.backups(plan_name))
    away = identity.absent(workspace, (each.storage for each in backups if each.location is not None))
    there = [each for each in backups if each.location is None or each.storage not in away]
    return there, [f"{problem} Nothing of it was judged." for problem in away.values()]


def _unknown(workspace: Workspace, backups: Iterable[Backup]) -> tuple[str, ...]:
    """What may be built on some of the backups, and nobody can read."""
    servers = sorted({each.server for each in backups if each.backup_type == "physical"})
    return tuple(sentence for server in servers for sentence in wal.unknown_to_catalog(workspace, server))


def fold(workspace: Workspace, plan_name: str, *, now: datetime | None = None) -> int:
    """Move old records into the plan's tally, so that no counter falls; how many. Raises CatalogError.

    The tally names them before the first is removed, and no longer once the last is gone. A crash in
    between leaves a tally that names some: they are removed first, and not counted again.
    """
    catalog, keep = workspace.catalog, workspace.plan(plan_name).effective_keep()
    tally = catalog.totals(plan_name)
    backups = list(catalog.backups(plan_name))
    counted = [each for each in backups if each.id in tally.folding]
    outlived = copy_expire.outlived(workspace, plan_name)
    old = [
        each
        for group in retention.by_subject(each for each in backups if each.id not in tally.folding)
        for each in retention.foldable(group, keep, now=now or utc_now())
        if each.id not in outlived and folders.is_gone(workspace, each)
    ]
    if not old and not tally.folding:
        return 0
    if old:
        catalog.put(folded(tally, old, catalog.copies(plan_name)))
    for record in [*counted, *old]:
        catalog.remove(record)
    catalog.put(catalog.totals(plan_name).evolve(folding=()))
    return len(old)


def _decide(
    workspace: Workspace, plan_name: str, backups: Sequence[Backup], keep: Keep, now: datetime
) -> tuple[Verdict, ...]:
    proven = _proven(workspace, plan_name)
    elsewhere = _elsewhere(workspace, plan_name, backups)
    gone = frozenset(
        each.id for each in backups if each.is_available and folders.is_without_files(workspace, each)
    )
    return tuple(
        verdict
        for group in retention.by_subject(backups)
        for verdict in retention.decide(
            group, keep, now=now, proven=proven, elsewhere=elsewhere, gone=gone
        ).verdicts
    )


def _elsewhere(workspace: Workspace, plan_name: str, backups: Sequence[Backup]) -> tuple[Backup, ...]:
    """Those of other plans, where something is built on them: it was given to this plan, and they not yet."""
    own = {each.id for each in backups}
    servers = {each.server for each in backups if each.is_available and (each.parent or each.id) not in own}
    return tuple(each for server in sorted(servers) for each in _of_others(workspace, plan_name, server))


def _needed_elsewhere(workspace: Workspace, plan_name: str, backups: Sequence[Backup]) -> dict[str, Backup]:
    """By the id of each on which something of another plan is built: one of these."""
    found: dict[str, Backup] = {}
    for server in {each.server for each in backups}:
        for child in _of_others(workspace, plan_name, server):
            if child.is_available and child.parent:
                found[child.parent] = child
    return found


def _with_parents(held: dict[str, Backup], backups: Sequence[Backup]) -> dict[str, Backup]:
    """What is held and by what, with all that it is built on."""
    found = dict(held)
    for each in sorted(backups, key=lambda each: each.id, reverse=True):  # a child before its parent
        if each.id in found and each.parent:
            found.setdefault(each.parent, found[each.id])
    return found


def _of_others(workspace: Workspace, plan_name: str, server: str) -> Iterator[Backup]:
    return (each for each in workspace.catalog.physical_backups(server) if each.plan != plan_name)


def _proven(workspace: Workspace, plan_name: str) -> frozenset[str]:
    proofs = workspace.catalog.proofs(plan_name)
    return frozenset(proof.backup for proof in proofs if proof.status is Status.SUCCEEDED)
