"""The backups of a plan that was renamed or removed, given to another plan.

Each backup by itself: first what lies beside its bytes and its copies says the new name, so that a catalog
that is made anew has it once; then the records of its copies and proofs, and its own last. Who is killed in
between has only to begin again. The newest are first: the old plan has no retention, so
that nothing lets a parent go whose child was given already.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import PurePosixPath

from pgbackstop_catalog import errors
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.store import layout
from pgbackstop_runner.backup import reconcile
from pgbackstop_runner.copy import run as copy_run
from pgbackstop_runner.expire import removed_plans
from pgbackstop_runner.expire import run as expire_run
from pgbackstop_runner.expire.removed_plans import RemovedPlan
from pgbackstop_runner.storage import identity, open, stored_backup
from pgbackstop_runner.system import log, state_folder
from pgbackstop_runner.verify import reconcile as verify_reconcile
from pgbackstop_runner.workspace import Workspace

Beside = dict[str, list[Copy | Proof]]


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """The records that were given, the newest first, and a sentence for each that was not."""

    given: tuple[Backup, ...]
    problems: tuple[str, ...]


def find(workspace: Workspace, old: str, new: str) -> RemovedPlan:
    """The removed plan ``old``, whose backups the plan ``new`` could have made.

    Raises ConfigError, NotFound, and ValidationError where it could not.
    """
    plan, found = workspace.plan(new), removed_plans.find(workspace, old)
    for each in workspace.catalog.backups(old):
        if (each.backup_type, each.server) != (plan.backup_type, plan.server):
            raise errors.ValidationError(
                f"Backup {each.id} of plan {old} is a {each.backup_type} one of server {each.server}; plan "
                f"{new} makes {plan.backup_type} ones of server {plan.server}. Nothing was changed.",
                remedy=f"Choose a plan of that kind, or 'pgbackstop expire --removed-plan {old}'.",
            )
    return found


def run(workspace: Workspace, old: str, new: str) -> Assignment:
    """Give all of them to the plan ``new``, whose retention judges them from then on.

    Raises as ``find`` does, Busy where either plan is at work, NotThere, CatalogError.
    """
    find(workspace, old, new)
    with ExitStack() as held:
        for plan in (old, new):
            held.enter_context(workspace.state.held(reconcile.lock_name(plan), f"A run of plan {plan}"))
        reconcile.one_plan(workspace, old)
        for plan in (old, new):
            for name in _locks(plan):
                held.enter_context(workspace.state.held(name, f"Work on backups of plan {plan}"))
        backups, beside = list(workspace.catalog.backups(old)), _beside(workspace, old)
        _require_storages(workspace, backups, beside)
        outcomes = [(each, _give(workspace, each, beside[each.id], old, new)) for each in backups]
    return Assignment(
        given=tuple(backup for backup, problem in outcomes if not problem),
        problems=tuple(problem for _, problem in outcomes if problem),
    )


def _locks(plan: str) -> tuple[str, ...]:
    return verify_reconcile.verify_lock(plan), expire_run.lock_name(plan), copy_run.lock_name(plan)


def _beside(workspace: Workspace, plan: str) -> Beside:
    """The other records of each backup."""
    found: Beside = defaultdict(list)
    for copy in workspace.catalog.copies(plan):
        found[copy.backup].append(copy)
    for proof in workspace.catalog.proofs(plan):
        found[proof.backup].append(proof)
    return found


def _require_storages(workspace: Workspace, backups: Iterable[Backup], beside: Beside) -> None:
    """Raises NotThere where a storage that has some of them is not there."""
    own = {str(each.storage) for each in backups if each.location is not None and each.expired_at is None}
    copies = {copy.storage for records in beside.values() for copy in _kept(records)}
    for storage in sorted((own | copies) & workspace.config.storages.keys()):
        identity.require(workspace, storage)


def _kept(records: Iterable[Copy | Proof]) -> Iterator[Copy]:
    """The copies that are there."""
    for each in records:
        if isinstance(each, Copy) and each.status is Status.SUCCEEDED and each.expired_at is None:
            yield each


def _give(workspace: Workspace, backup: Backup, beside: list[Copy | Proof], old: str, new: str) -> str:
    """One backup; why it was not given, or nothing."""
    try:
        with workspace.state.held(state_folder.lease_name(backup.id), f"A verify or restore of {backup.id}"):
            _rewrite_original(workspace, backup, new)
            for copy in _kept(beside):
                _rewrite_copy(workspace, backup, copy, new)
            for each in (*beside, backup):
                workspace.catalog.reassign(each, old, new)
            workspace.state.discard_lease(backup.id)
    except (errors.PgbackstopError, OSError) as error:
        return f"{backup.id}: {error}"
    log.logger().info("given to another plan", plan=new, backup=backup.id, old_plan=old)
    return ""


def _rewrite_original(workspace: Workspace, backup: Backup, plan: str) -> None:
    stored = stored_backup.find_known(workspace, backup)
    if stored is not None and stored.path(layout.RECORD_NAME).exists():
        stored.write(backup.evolve(plan=plan))


def _rewrite_copy(workspace: Workspace, backup: Backup, copy: Copy, plan: str) -> None:
    """The copy's own record, which has its encryption; a storage that nobody configures is left alone."""
    settings = workspace.config.storages.get(copy.storage)
    if settings is None or backup.location is None:
        return
    store = open.open_store(copy.storage, settings)
    mark = str(PurePosixPath(backup.location, layout.RECORD_NAME))
    record = codec.decode(Backup, store.read(mark), where=mark)
    if record.id != backup.id:
        raise stored_backup.Refused(f"{copy.storage}: {mark} is the record of another backup.")
    store.put_bytes(codec.encode(record.evolve(plan=plan)), mark)
