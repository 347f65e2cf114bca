"""The metrics of plans: pure, from the configuration and the facts of the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.config.storage import AnyStorage
from pgbackstop_catalog.decisions import expectations, history, subjects, vanished
from pgbackstop_catalog.decisions.attempts import Attempt, Subject
from pgbackstop_catalog.decisions.counts import Counts, tallied
from pgbackstop_catalog.decisions.history import History
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_catalog.records.totals import Totals
from pgbackstop_exporter.families.samples import Families, Labels, labels
from pgbackstop_exporter.metrics import plan_metrics
from pgbackstop_exporter.snapshot import CATALOG, CopyFacts, PlanFacts, ProofFacts, Snapshot

_next_run = lru_cache(maxsize=16384)(history.next_run)
_first_due = lru_cache(maxsize=16384)(history.first_due)


def databases(plan: Plan, facts: PlanFacts, live: Mapping[str, float] | None) -> tuple[str, ...]:
    """The databases that a plan has series for: those that it is to back up."""
    return subjects.databases(plan, facts.histories, facts.dropped, live)


def add(families: Families, snapshot: Snapshot, now: float) -> None:
    """Every series of every configured plan."""
    missing, lost = snapshot.missing, snapshot.lost
    for name, plan in snapshot.settings.config.plans.items():
        facts = snapshot.catalog.plans.get(name) if snapshot.catalog else None
        server = snapshot.servers.get(plan.server)
        series = _PlanSeries(
            families=families,
            plan=plan,
            facts=facts or PlanFacts(tally=Totals(plan=name)),
            live=server.databases if server else None,
            seen_at=_first_seen(snapshot, name),
            counted_since=_counted_since(snapshot, name),
            missing=missing,
            lost=lost,
            hour=int(now // 3600),
            expected=expectations.expectation(plan, int(now // 3600)),
            reread_max_age=snapshot.settings.config.verify.effective_max_age(),
            storages=snapshot.settings.config.storages,
        )
        for database in databases(plan, series.facts, series.live):
            subject = Subject(plan.server, database, plan.backup_type)
            where = labels(plan=name, server=plan.server, database=database, backup_type=plan.backup_type)
            series.add(subject, where, snapshot)


def _first_seen(snapshot: Snapshot, plan: str) -> float:
    """Since when the plan is expected to run: by the scheduler, else since its configuration is there."""
    scheduler = snapshot.catalog.scheduler if snapshot.catalog else None
    seen = scheduler.first_seen.get(plan) if scheduler else None
    return seen.timestamp() if seen else snapshot.settings.seen_at


def _counted_since(snapshot: Snapshot, plan: str) -> float:
    """Since when due times count: a plan that was resumed, or got another schedule, begins anew."""
    scheduler = snapshot.catalog.scheduler if snapshot.catalog else None
    counted = scheduler.counted.get(plan) if scheduler else None
    return counted.since.timestamp() if counted else 0.0


@dataclass(frozen=True, kw_only=True)
class _PlanSeries:
    families: Families
    plan: Plan
    facts: PlanFacts
    live: Mapping[str, float] | None
    seen_at: float
    counted_since: float
    missing: frozenset[str]
    lost: frozenset[str]
    hour: int
    expected: expectations.Expectation
    reread_max_age: float | None
    storages: Mapping[str, AnyStorage]

    def add(self, subject: Subject, where: Labels, snapshot: Snapshot) -> None:
        """The series of one database. Before the catalog was read once, only what is configured is true."""
        known = self.facts.history(subject)
        self._configured(subject, where, known)
        if snapshot.catalog is not None:
            self._last(where, known)
            if snapshot.is_up(CATALOG):
                self._running(where, known.running)
            self._counted(subject, where, known)
            self._kept(subject, where, known)
            self._proven(where, known, self.facts.proofs.get(subject, ProofFacts()))
            self._copied(subject, where)
            self._copies_read(subject, where)

    def _configured(self, subject: Subject, where: Labels, known: History) -> None:
        plan, add = self.plan, self.families.add
        add(plan_metrics.ENABLED, where, plan.enabled)
        add(plan_metrics.MAX_AGE, where, expectations.max_age(plan, known, self.hour))
        add(plan_metrics.SCHEDULE_INTERVAL, where, self.expected.interval)
        handled = max(known.handled_until, self.facts.scheduled_until, self.counted_since)
        handled = history.credible(handled, (self.hour + 1) * 3600)
        next_run = _next_run(self.expected.schedule, handled_until=handled, first_seen=self.seen_at)
        add(plan_metrics.NEXT_RUN, where, next_run)
        first_due = self._first_due(subject)
        add(plan_metrics.FIRST_DUE, where, first_due)
        self._expected_proofs(where, first_due)
        add(plan_metrics.VERIFICATION_MAX_AGE, where, self.reread_max_age)
        add(plan_metrics.MAX_DURATION, where, plan.max_duration)
        add(plan_metrics.STALL_TIMEOUT, where, max(plan.stall_timeout, plan.first_byte_timeout))
        add(plan_metrics.RPO_TARGET, where, plan.effective_rpo_target())
        add(plan_metrics.RTO_TARGET, where, plan.rto_target)

    def _expected_proofs(self, where: Labels, first_due: float) -> None:
        """A plan without drills has no expectation, so that nothing is too old."""
        max_age = self.expected.proof_max_age
        if max_age is not None:
            drill = self.plan.drill_schedule()
            due = _first_due(drill, first_due + self.plan.grace) + self.plan.drill.max_duration
            self.families.add(plan_metrics.PROOF_MAX_AGE, where, max_age)
            self.families.add(plan_metrics.PROOF_FIRST_DUE, where, due + self.plan.grace)

    def _first_due(self, subject: Subject) -> float:
        """A database that appeared on the server after the plan's last run is due with the next one."""
        seen_at = self.seen_at
        if self.live and self.facts.histories and subject not in self.facts.histories:
            seen_at = max(seen_at, self.live.get(subject.database, 0.0))
        return _first_due(self.expected.schedule, seen_at)

    def _last(self, where: Labels, known: History) -> None:
        add, success = self.families.add, known.success
        add(plan_metrics.LAST_SUCCESS, where, known.last_success)
        self.families.add_age(plan_metrics.AGE, where, known.last_success)
        if success:
            add(plan_metrics.SIZE, where, _known(success.size))
            add(plan_metrics.DURATION, where, success.duration)
        add(plan_metrics.LAST_ATTEMPT, where, known.last_attempt)
        add(plan_metrics.LAST_FAILURE, where, known.last_failure)
        add(plan_metrics.CONSECUTIVE_FAILURES, where, known.consecutive_failures)
        if known.failing is not None:
            add(plan_metrics.FAILING, where.plus("reason", known.failing.value), 1)

    def _running(self, where: Labels, running: Attempt | None) -> None:
        add = self.families.add
        add(plan_metrics.RUNNING, where, running is not None)
        if running:
            add(plan_metrics.RUNNING_START, where, running.started)
            add(plan_metrics.PROGRESS, where, running.progress)
            add(plan_metrics.PROGRESS_AT, where, running.progress_at or running.started)
            add(plan_metrics.PROGRESS_EXPECTED, where, _known(running.progress_expected))

    def _counted(self, subject: Subject, where: Labels, known: History) -> None:
        counts = self._with_tallied(subject, known.counts)
        self.families.add(plan_metrics.MISSED, where, counts.missed)
        self.families.add(plan_metrics.LAST_MISSED, where, known.last_missed)
        self.families.add(plan_metrics.RUNS, where, counts.runs)
        minimum = self.plan.effective_keep().minimum
        if counts.runs - sum(counts.failures.values()) >= minimum:
            self.families.add(plan_metrics.KEEP_MINIMUM, where, minimum)
        for reason in Reason:
            number = counts.failures.get(reason, 0)
            self.families.add(plan_metrics.FAILURES, where.plus("reason", reason.value), number)

    def _with_tallied(self, subject: Subject, counts: Counts) -> Counts:
        """With what removed records had counted for the database and for the whole plan."""
        for database in {subject.database, ""}:
            counts = counts.plus(tallied(self.facts.tally, database))
        return counts

    def _kept(self, subject: Subject, where: Labels, known: History) -> None:
        add, kept = self.families.add, self.facts.kept.get(subject, {})
        gone = self.missing.intersection(kept)
        add(plan_metrics.AVAILABLE, where, known.available - len(gone))
        add(plan_metrics.MISSING, where, len(gone - self.lost))
        add(plan_metrics.DAMAGED, where, known.damaged)
        read = (each.last_read for backup_id, each in kept.items() if backup_id not in gone)
        add(plan_metrics.OLDEST_VERIFICATION, where, min(read, default=None))
        if known.vanished or self.plan.compares_rows:
            add(plan_metrics.VANISHED, where, self._vanished(known))
        add(plan_metrics.STORED, where, known.stored_bytes)
        add(plan_metrics.SOURCE_SIZE, where, _known(known.source_size))
        add(plan_metrics.SIZE_BASELINE, where, known.size_baseline)
        add(plan_metrics.SIZE_EXPECTED, where, known.size_expected)
        add(plan_metrics.DURATION_BASELINE, where, known.duration_baseline)
        add(plan_metrics.OLDEST, where, known.oldest or None)

    def _vanished(self, known: History) -> int:
        since = self.hour * 3600 - vanished.HELD_FOR.total_seconds()
        return sum(each.vanished for each in known.vanished if each.finished >= since)

    def _proven(self, where: Labels, known: History, proofs: ProofFacts) -> None:
        add = self.families.add
        add(plan_metrics.VERIFIED, where, max(known.verified, proofs.verified))
        add(plan_metrics.DRILL_SUCCESS, where, proofs.drill_success)
        add(plan_metrics.DRILL_FAILURE, where, proofs.drill_failure)
        add(plan_metrics.DRILL_DURATION, where, proofs.drill_duration)

    def _copied(self, subject: Subject, where: Labels) -> None:
        for storage in self.plan.copies:
            copies = self.facts.copies.get((subject, storage), CopyFacts())
            there = where.plus("storage", storage)
            tallied = self.facts.tally.copy_failures.get(subject.database, {}).get(storage, 0)
            self.families.add(plan_metrics.COPY_SUCCESS, there, copies.success)
            self.families.add(plan_metrics.COPY_VERIFIED, there, copies.verified)
            self.families.add(plan_metrics.COPY_DRILLED, there, copies.drilled)
            self.families.add(plan_metrics.COPY_FAILURES, there, copies.failures + tallied)

    def _copies_read(self, subject: Subject, where: Labels) -> None:
        """Of every storage that copies go to, or that still holds some; it may be left out of ``copies``."""
        for storage, configured in self.storages.items():
            copies = self.facts.copies.get((subject, storage), CopyFacts())
            copies = copies if configured.keep is None else copies.all_kept()
            if storage not in self.plan.copies and not (copies.damaged or copies.oldest_read):
                continue
            there = where.plus("storage", storage)
            self.families.add(plan_metrics.COPY_DAMAGED, there, copies.damaged)
            is_read = configured.verify and not (configured.encryption and configured.encryption.is_sealed)
            self.families.add(
                plan_metrics.COPY_OLDEST_VERIFICATION, there, copies.oldest_read if is_read else None
            )


def _known(size: int) -> int | None:
    return None if size < 0 else size
