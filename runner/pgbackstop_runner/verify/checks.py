"""The checks of one stored backup, in their order, and what they say of it.

A check of the backup's *own* bytes that finds them wrong condemns the backup; the others are not made then.
What is around it (SHA256SUMS for people, the WAL archive) is reported and condemns nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_catalog.records.proof import CheckResult
from pgbackstop_runner import failures
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.postgres import client_programs
from pgbackstop_runner.postgres.client_process import Limits
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.storage.stored_backup import StoredBackup
from pgbackstop_runner.system import meter
from pgbackstop_runner.verify import base_backup, dump, file_digests, wal_archive
from pgbackstop_runner.workspace import Workspace

_CONDEMNING = frozenset({Reason.CORRUPT, Reason.INCOMPLETE})


@dataclass(kw_only=True)
class VerifyRun:
    """One backup under examination; ``read_before`` are files of WAL that this run has read already.

    ``whole`` reads the WAL to the end of the recovery window, not only that of the backup's own time.
    """

    workspace: Workspace
    backup: Backup
    whole: bool
    read_before: set[str]
    folder: Path = Path()
    files: tuple[StoredFile, ...] = ()
    checks: list[CheckResult] = field(default_factory=list)
    own_failure: AttemptFailed | None = None
    failure: AttemptFailed | None = None
    read_bytes: int = 0
    tool: str = ""

    @property
    def condemns(self) -> bool:
        """Whether the backup's own bytes are to blame."""
        return self.own_failure is not None and self.own_failure.reason in _CONDEMNING

    def run(self) -> None:
        """Make the checks; raises Interrupted only."""
        if self.backup.backup_type == "logical":
            self._logical()
        else:
            self._physical()
        if not self.condemns:
            self._around()

    def _logical(self) -> None:
        self._own("sha256", self._hashes)
        self._own("frames", lambda: dump.ends(self.folder, self.files))
        self._own("dump", self._dump)
        self._own("globals", lambda: dump.roles(self.folder))

    def _physical(self) -> None:
        self._own("sha256", self._hashes)
        if self.backup.parent is not None:
            self._own("chain", lambda: base_backup.chain(self.workspace, self.backup))
        self._own("frames", lambda: dump.ends(self.folder, self.files))
        self._own("gzip", lambda: base_backup.gzip_ends(self.folder, self.files))
        self._own("pg_verifybackup", self._cluster)

    def _around(self) -> None:
        self._check("SHA256SUMS", lambda: file_digests.checksums(self.folder, self.files))
        if self.backup.backup_type == "physical" and self.backup.server in self.workspace.config.servers:
            self._check("wal archive", self._archive)

    def _hashes(self) -> str:
        found = file_digests.stored(self.workspace, self.backup)
        self.folder, self.files = found.folder, file_digests.listed(found)
        return file_digests.hashes(self.folder, self.files, self._count)

    def _dump(self) -> str:
        if self.backup.format == "plain":
            how, rows = "text read to its end", dump.read_text(self.folder, self.files)
        else:
            tools = self._binaries()
            rows = dump.read_archive(self.folder, self.files, tools, self._limits())
            how = f"pg_restore {tools.version}"
        self.tool = f"{how}: {dump.counted(self.backup, rows)}"
        return self.tool

    def _cluster(self) -> str:
        found = StoredBackup(backup=self.backup, folder=self.folder)
        meter.expect(None, by_reading=True)
        self.tool = base_backup.whole_server(found, self.files, self._binaries(), self._limits())
        return self.tool

    def _archive(self) -> str:
        found = wal_archive.reach(self.workspace, self.backup, whole=self.whole)
        if found is None:
            return "there is none of this server; the backup brings the WAL that it needs"
        return wal_archive.read(found, self.read_before, self._count)

    def _binaries(self) -> Binaries:
        """Tools as new as those that made it, or its server; in a jail, for they read what others wrote."""
        server = self.workspace.config.servers.get(self.backup.server)
        made_by = [version.partition(".")[0] for version in self.backup.tools.values()]
        majors = [int(each) for each in made_by if each.isdecimal()]
        found = client_programs.find(max([self.backup.major, *majors]), server.bin_dir if server else None)
        return client_programs.confined(found, self.workspace.config.drills.jail)

    def _limits(self) -> Limits:
        """When a tool that reads it is given up."""
        return Limits.of_reading(self.workspace.config.plans.get(self.backup.plan))

    def _count(self, size: int) -> None:
        self.read_bytes += size

    def _own(self, name: str, look: Callable[[], str]) -> None:
        """A check of the backup itself; after one that failed the rest are not made."""
        if self.own_failure is None:
            self.own_failure = self._check(name, look)

    def _check(self, name: str, look: Callable[[], str]) -> AttemptFailed | None:
        try:
            with meter.measured(name):
                detail = look()
        except (errors.PgbackstopError, OSError) as error:
            problem = _as_failure(error)
            self.failure = self.failure or problem
            self.checks.append(CheckResult(name=name, ok=False, detail=str(problem)))
            return problem
        self.checks.append(CheckResult(name=name, ok=True, detail=detail))
        return None


def _as_failure(error: errors.PgbackstopError | OSError) -> AttemptFailed:
    if isinstance(error, AttemptFailed):
        return error
    if isinstance(error, OSError):
        problem = f"{error.filename or 'A file'} cannot be read: {error.strerror or error}."
        return AttemptFailed(Reason.STORAGE, problem, remedy="Check the disk and its mount.")
    reason = Reason.CLIENT if isinstance(error, errors.ConfigError) else failures.first_reason(error)
    return AttemptFailed(reason, error.problem, remedy=error.remedy)
