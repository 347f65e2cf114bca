"""Reads the overview, as ``status`` shows it; it asks no server, so that it answers when none does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.storage import FolderStorage
from pgbackstop_catalog.decisions import safety, wal_copies
from pgbackstop_catalog.decisions.safety import Finding, Severity
from pgbackstop_catalog.decisions.wal_copies import WalCopyState
from pgbackstop_catalog.records.scheduler import SchedulerState
from pgbackstop_catalog.text import said
from pgbackstop_runner.expire import removed_plans
from pgbackstop_runner.expire.removed_plans import RemovedPlan
from pgbackstop_runner.overview import subjects
from pgbackstop_runner.overview.subjects import SubjectStatus
from pgbackstop_runner.recover import recoverable_windows
from pgbackstop_runner.recover.recoverable_windows import Recoverable
from pgbackstop_runner.storage import identity
from pgbackstop_runner.wal import state as wal_state
from pgbackstop_runner.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class ServerStatus:
    """To which moments a server can be restored.

    ``earliest`` to ``latest`` is the recovery window that reaches furthest; ``databases_of`` is what its
    logical plans alone bring back: the oldest of the newest good backups of each database that has one.
    ``recoverable`` has all windows; None where its archive cannot be read.
    """

    server: str
    earliest: datetime | None = None
    latest: datetime | None = None
    databases_of: datetime | None = None
    proven_until: datetime | None = None
    proven_at: datetime | None = None
    findings: tuple[Finding, ...] = ()
    recoverable: Recoverable | None = None


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Everything; ``findings`` are those that belong to no plan and no server.

    ``removed_plans`` are not in the configuration any more, and keep backups: that endangers nothing.
    """

    now: datetime
    subjects: tuple[SubjectStatus, ...]
    servers: tuple[ServerStatus, ...]
    findings: tuple[Finding, ...]
    removed_plans: tuple[RemovedPlan, ...] = ()

    @property
    def every_finding(self) -> tuple[tuple[str, Finding], ...]:
        """Whose it is, and what it is, the worst first."""
        found: list[tuple[str, Finding]] = [("", each) for each in self.findings]
        found += [
            (said("server {name}", name=one.server), each) for one in self.servers for each in one.findings
        ]
        found += [(_named(one), each) for one in self.subjects for each in one.findings]
        return tuple(sorted(found, key=lambda pair: safety.weight(pair[1]), reverse=True))

    @property
    def severity(self) -> Severity:
        """The worst of all; UNKNOWN where there is nothing that could be safe."""
        if not self.subjects:
            return Severity.UNKNOWN
        return safety.worst(each for _, each in self.every_finding)

    @property
    def is_safe(self) -> bool:
        """Whether nothing endangers what is to be backed up."""
        return bool(self.subjects) and not any(each.endangers for _, each in self.every_finding)


def _named(one: SubjectStatus) -> str:
    if not one.subject.database:
        return said("plan {plan}", plan=one.plan)
    return said("plan {plan}, database {database}", plan=one.plan, database=one.subject.database)


def overview(workspace: Workspace, unreadable: Collection[str], now: datetime) -> Overview:
    """Read it; ``unreadable`` fills on the way, by ``workspace.on_invalid_record``. Raises CatalogError."""
    workspace = replace(workspace, catalog=workspace.catalog.held())
    daemon = workspace.said(SchedulerState, workspace.state.scheduler)
    found = tuple(subjects.read(workspace, daemon, now.timestamp()))
    by_server = defaultdict[str, list[SubjectStatus]](list)
    for each in found:
        by_server[each.subject.server].append(each)
    servers = tuple(_server(workspace, name, by_server[name]) for name in workspace.config.servers)
    general = safety.of_daemon(daemon.heartbeat_at, now.timestamp()) if daemon else ()
    general += safety.of_catalog(len(unreadable)) + safety.of_copies(_absent(workspace))
    return Overview(
        now=now,
        subjects=found,
        servers=servers,
        findings=safety.worst_first(general),
        removed_plans=tuple(removed_plans.found(workspace)),
    )


def _absent(workspace: Workspace) -> Iterator[str]:
    """Why a further storage of some plan is not there: of a folder as it is now, of others as their copiers
    last found them."""
    config = workspace.config
    plans = [each for each in config.plans.values() if each.enabled]
    wanted = {name for plan in plans for name in plan.copies}
    for server in config.servers:
        wanted.update(wal_copies.storages(config, server))
    copiers = defaultdict[str, list[str]](list)
    for name, server in workspace.state.wal_copied():
        if server in config.servers:
            copiers[name].append(server)
    for name in sorted(wanted & config.storages.keys()):
        if isinstance(config.storages[name], FolderStorage):
            told = [identity.look(workspace, name).problem]
        else:
            states = (
                workspace.said(WalCopyState, workspace.state.wal_copy(name, server))
                for server in copiers[name]
            )
            told = [each.message for each in states if each is not None and each.status == "down"]
        yield from filter(None, told[:1])


def _server(workspace: Workspace, name: str, own: list[SubjectStatus]) -> ServerStatus:
    logical = [each.known.history for each in own if each.subject.backup_type == "logical"]
    drills = [each.known.drill_success for each in own]
    common = ServerStatus(
        server=name,
        databases_of=_moment(min((each.last_success for each in logical if each.success), default=0.0)),
        proven_at=_moment(max(drills, default=0.0)),
        findings=wal_findings(workspace, name),
    )
    try:
        recoverable = recoverable_windows.read(workspace, name)
    except errors.PgbackstopError as error:
        return _with_unknown(common, str(error))
    common = _with_unknown(replace(common, recoverable=recoverable), *recoverable.passed_over)
    if not recoverable.spans:
        return common
    furthest = max(recoverable.spans, key=lambda span: span.window.end)
    drill = furthest.drill
    return replace(
        common,
        earliest=furthest.window.start,
        latest=furthest.window.end,
        proven_until=drill.proven_until if drill else None,
        proven_at=drill.finished_at if drill else common.proven_at,
    )


def _with_unknown(status: ServerStatus, *whys: str) -> ServerStatus:
    findings = (*status.findings, *map(safety.unknown, whys))
    return replace(status, findings=safety.worst_first(findings))


def wal_findings(workspace: Workspace, name: str) -> tuple[Finding, ...]:
    """What is wrong with the WAL of a server; nothing where none is archived."""
    if not workspace.server(name).wal.enabled:
        return ()
    state = wal_state.read(workspace.state.wal(name))
    return safety.of_wal(state, is_received=wal_state.is_received(workspace, name, state))


def _moment(unix: float) -> datetime | None:
    return datetime.fromtimestamp(unix, UTC) if unix else None
