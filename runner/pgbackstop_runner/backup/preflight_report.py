"""What was checked before a backup, what is wrong, and the facts that were found on the way."""

from __future__ import annotations

from dataclasses import dataclass, field

from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_catalog.records.source import ServerFacts
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.postgres import facts as postgres_facts
from pgbackstop_runner.postgres import undumped, versions
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.postgres.left_out import LeftOut


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at. ``database`` is "" for what concerns the whole run."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    reason: Reason = Reason.CONFIGURATION
    database: str = ""


@dataclass
class Report:
    """All checks of a plan, and the facts that were found on the way."""

    plan: str
    checks: list[Check] = field(default_factory=list)
    databases: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()  # a sentence each
    facts: ServerFacts | None = None
    rights: postgres_facts.Rights | None = None
    tools: Binaries | None = None
    source_sizes: dict[str, int] = field(default_factory=dict)
    forecasts: dict[str, int] = field(default_factory=dict)
    undumped: dict[str, undumped.Undumped] = field(default_factory=dict)
    omitted: dict[str, LeftOut] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the backup may start."""
        return all(check.ok for check in self.checks)

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each thing that is newer than what was tested: for a check, and not for each run."""
        server = versions.untested("The server is", self.facts.major) if self.facts else ""
        tools = versions.untested("The client tools are", self.tools.major) if self.tools else ""
        return tuple(each for each in (server, tools) if each)

    def add(self, name: str, ok: bool, detail: str, **more: str | Reason) -> None:
        """Add one check."""
        self.checks.append(Check(name=name, ok=ok, detail=detail, **more))  # type: ignore[arg-type] # checked by Check

    def require(self, database: str) -> tuple[ServerFacts, postgres_facts.Rights, Binaries]:
        """What the flow needs, for one database. Raises AttemptFailed with everything that is wrong."""
        wrong = [check for check in self.checks if not check.ok and check.database in {"", database}]
        if wrong:
            problem = " ".join(check.detail for check in wrong)
            remedy = " ".join(dict.fromkeys(check.remedy for check in wrong if check.remedy))
            raise AttemptFailed(wrong[0].reason, problem, remedy=remedy)
        # Every check passed, so all three were found.
        assert self.facts is not None  # noqa: S101
        assert self.rights is not None  # noqa: S101
        assert self.tools is not None  # noqa: S101
        return self.facts, self.rights, self.tools
