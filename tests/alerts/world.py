"""An installation as it would live for weeks.

Only what the world does is simulated: when runs start and end, how big they are, what the disk holds. What
the metrics are is the exporter's answer to its ``facts``, so rules and exporter are tested together.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from pgbackstop_catalog.config.configuration import Config, default_plans
from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.decisions import history
from pgbackstop_catalog.decisions.attempts import Attempt, Subject
from pgbackstop_catalog.decisions.wal_segments import WalGap
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_exporter.snapshot import CopyFacts, ProofFacts, Settings

STORE = "/srv/backups"
ZONE = "Europe/Berlin"
GB = 10**9
LOGICAL = Subject("main", "shop", "logical")
PHYSICAL = Subject("main", "", "physical")
HOSTS = ("backup-1", "backup-2")
SIZES = {LOGICAL: 8 * GB, PHYSICAL: 60 * GB}
KEPT = {LOGICAL: 7, PHYSICAL: 4}
NAMES = {LOGICAL: "main-logical", PHYSICAL: "main-physical"}


def config() -> Config:
    """The plans of the specification for one server, in a zone whose clocks change, with a copy elsewhere."""
    plans = {
        name: {**plan, "timezone": ZONE, "copies": ["offsite"]}
        for name, plan in default_plans(["main"]).items()
    }
    plans["main-logical"]["databases"] = ["shop"]
    found = Config.model_validate(
        {
            "servers": {"main": {}},
            "plans": plans,
            "discovery": {"inventory": {"files": ["/srv/inventory/*.json"]}},
            "storages": {"local": {"path": STORE}, "offsite": {"kind": "s3", "bucket": "backups"}},
        }
    )
    # Two hosts have workers, as if the catalog were in PostgreSQL.
    return found.model_copy(update={"workers": found.workers.evolve(enabled=True)})


@dataclass
class Behaviour:
    """What works, and how well."""

    schedule: bool = True
    write: bool = True
    copy: bool = True
    drill: bool = True
    restores: bool = True
    reread: bool = True
    reread_wal: bool = True
    reread_copies: bool = True
    receive: bool = True
    discover: bool = True
    fail: Reason | None = None
    size: float = 1.0
    slowness: float = 1.0


@dataclass(kw_only=True)
class World:
    """What is so now. A fault is a function that changes it from its moment on, at every step."""

    begins: datetime
    step: timedelta = timedelta(minutes=10)
    is_new: bool = False
    settings: Settings = field(init=False)
    attempts: dict[Subject, list[Attempt]] = field(default_factory=dict)
    copies: dict[Subject, CopyFacts] = field(default_factory=dict)
    proofs: dict[Subject, ProofFacts] = field(default_factory=dict)
    due: dict[str, datetime] = field(default_factory=dict)
    heartbeat: datetime = field(init=False)
    received: datetime = field(init=False)
    listed: datetime = field(init=False)
    copied: datetime = field(init=False)
    copies_read: datetime = field(init=False)
    window: datetime | None = None
    gaps: tuple[WalGap, ...] = ()
    given_up: datetime | None = None
    wal_read: datetime = field(init=False)
    lag: int = 0
    slot_active: bool = True
    slot_retained: int = 2**24
    pending: int = 0
    unreadable: int = 0
    missing: frozenset[str] = frozenset()
    rotten: frozenset[str] = frozenset()
    copy_rots_since: datetime | None = None
    wal_copy_rots_since: datetime | None = None
    disk_size: float = 500 * GB
    other_files: float = 0.0
    is_readonly: bool = False
    is_exporter_up: bool = True
    exporter_ahead: timedelta = timedelta()
    server_ahead: timedelta = timedelta()
    down: frozenset[str] = frozenset()
    dead_hosts: frozenset[str] = frozenset()
    waiting_since: datetime | None = None
    last_good: dict[str, float] = field(default_factory=dict)
    does: Behaviour = field(default_factory=Behaviour)
    summed: dict[Subject, tuple[list[Attempt], history.History]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        seen = self.begins if self.is_new else self.begins - timedelta(days=60)
        self.settings = Settings(config=config(), seen_at=seen.timestamp())
        self.heartbeat = self.listed = self.begins
        self.received = self.copied = self.copies_read = self.wal_read = self.begins
        for subject, name in NAMES.items():
            plan = self.settings.config.plans[name]
            for job, schedule in (
                (name, plan.effective_schedule()),
                (f"drill {name}", plan.drill_schedule()),
            ):
                self.due[job] = schedule.next_after(self.begins if self.is_new else seen)
            self.attempts[subject] = []
        self.due["verify"] = self.settings.config.verify.effective_schedule().next_after(self.begins)
        if not self.is_new:
            self._live_until_now()
            self._read_again(self.begins)

    def _live_until_now(self) -> None:
        """Sixty days of backups, copies and drills before the timeline begins."""
        for subject, name in NAMES.items():
            while self.due[name] <= self.begins:
                self._back_up(subject, self.due[name])
                self.due[name] = self.plan(subject).effective_schedule().next_after(self.due[name])
            while self.due[f"drill {name}"] <= self.begins:
                self._drill(subject, self.due[f"drill {name}"])
                following = self.plan(subject).drill_schedule().next_after(self.due[f"drill {name}"])
                self.due[f"drill {name}"] = following

    def plan(self, subject: Subject) -> Plan:
        return self.settings.config.plans[NAMES[subject]]

    def live(self, now: datetime) -> None:
        """What happens in the step that ends now, where nothing prevents it."""
        if self.does.schedule:
            self.heartbeat = now
            for subject, name in NAMES.items():
                if name not in self.settings.config.plans:
                    continue
                plan = self.plan(subject)
                if self.due[name] <= now and plan.enabled and not self._is_running(subject):
                    self._begin(subject, self.due[name])
                    self.due[name] = plan.effective_schedule().next_after(now)
                if self.due[f"drill {name}"] <= now:
                    self._drill(subject, now)
                    self.due[f"drill {name}"] = plan.drill_schedule().next_after(now)
            if self.due["verify"] <= now:
                self._read_again(now)
                self.due["verify"] = self.settings.config.verify.effective_schedule().next_after(now)
        for subject in NAMES:
            self._get_on(subject, now)
        self._stay_up_to_date(now)

    def _stay_up_to_date(self, now: datetime) -> None:
        if self.does.receive:
            self.received = now
        if self.does.copy:
            self.copied = self.received
        if self.does.discover:
            self.listed = now

    def _is_running(self, subject: Subject) -> bool:
        return any(each.status is Status.RUNNING for each in self.attempts[subject])

    def _begin(self, subject: Subject, due: datetime) -> None:
        if self.does.fail is not None:
            self.attempts[subject].append(self._attempt(subject, due, Status.FAILED, reason=self.does.fail))
            return
        running = self._attempt(subject, due, Status.RUNNING)
        self.attempts[subject].append(
            running._replace(size=-1, source_size=-1, progress_expected=self.size(subject))
        )

    def fail_by_hand(self, subject: Subject, now: datetime, reason: Reason) -> None:
        """An attempt that nobody scheduled, and that failed at once."""
        self.attempts[subject].append(self._attempt(subject, now, Status.FAILED, reason=reason))

    def _get_on(self, subject: Subject, now: datetime) -> None:
        for number, each in enumerate(self.attempts[subject]):
            if each.status is Status.RUNNING and self.does.write:
                share = (now.timestamp() - each.started) / self._seconds(subject)
                if share < 1:
                    written = int(share * self.size(subject))
                    changed = each._replace(progress=written, progress_at=now.timestamp())
                    self.attempts[subject][number] = changed
                else:
                    del self.attempts[subject][number]
                    self._back_up(subject, datetime.fromtimestamp(each.started, UTC))
                    break

    def _back_up(self, subject: Subject, started: datetime) -> None:
        """A good backup; then retention, and the copy."""
        good = self._attempt(subject, started, Status.SUCCEEDED)
        self.attempts[subject].append(good)
        if subject == PHYSICAL:
            self.window, self.gaps = self.window or datetime.fromtimestamp(good.finished, UTC), ()
        kept = [each for each in self.attempts[subject] if each.is_available]
        for old in kept[: -KEPT[subject]]:
            number = self.attempts[subject].index(old)
            self.attempts[subject][number] = old._replace(expired=True)
            if subject == PHYSICAL and self.window is not None:
                oldest = min(each.finished for each in self.attempts[subject] if each.is_available)
                self.window = max(self.window, datetime.fromtimestamp(oldest, UTC))
        if self.does.copy:
            self.copies[subject] = CopyFacts(newest=good.id, success=good.finished + 900)

    def _attempt(
        self, subject: Subject, started: datetime, status: Status, reason: Reason | None = None
    ) -> Attempt:
        begin = started.timestamp()
        return Attempt(
            id=f"{started:%Y%m%dT%H%M%SZ}-{NAMES[subject]}",
            subject=subject,
            status=status,
            started=begin,
            finished=0.0 if status is Status.RUNNING else begin + self._seconds(subject),
            scheduled=begin,
            duration=self._seconds(subject),
            size=self.size(subject),
            source_size=4 * SIZES[subject],
            start_lsn=int(begin),
            timeline=1,
            reason=reason,
        )

    def size(self, subject: Subject) -> int:
        return int(SIZES[subject] * self.does.size)

    def _seconds(self, subject: Subject) -> float:
        return self.size(subject) / (20 * 10**6) * self.does.slowness

    def _drill(self, subject: Subject, now: datetime) -> None:
        known, moment = self.proofs.get(subject, ProofFacts()), now.timestamp()
        if not any(each.is_available for each in self.attempts[subject]) or not self.does.drill:
            return
        if self.does.restores:
            self.proofs[subject] = replace(
                known, drill_success=moment, drill_duration=1800.0, proven_until=moment
            )
        else:
            self.proofs[subject] = replace(known, drill_failure=moment)

    def _read_again(self, now: datetime) -> None:
        """Every kept backup that was not read for so long; what has rotten is found."""
        pause = self.settings.config.verify.interval
        for attempts in self.attempts.values():
            for number, each in enumerate(attempts):
                if not self.does.reread or not each.is_available or now.timestamp() - each.last_read < pause:
                    continue
                changed = each._replace(verified=now.timestamp())
                if each.id in self.rotten:
                    changed = each._replace(status=Status.FAILED, reason=Reason.CORRUPT, damaged=True)
                attempts[number] = changed
        if self.does.reread_wal:
            self.wal_read = now
        if self.does.reread_copies:
            self._read_copies_again(now)

    def _read_copies_again(self, now: datetime) -> None:
        """One that rots was read just before, and is found when its turn comes again."""
        self.copies_read, since = now, self.copy_rots_since
        pause = timedelta(seconds=self.settings.config.verify.effective_copies_interval())
        if since is not None and now - since >= pause:
            self.copies[LOGICAL], self.copy_rots_since = replace(self.copies[LOGICAL], damaged=1), None

    def free(self) -> float:
        """A running backup takes its room as it is written; WAL takes 20 GB a week."""
        held = sum(
            each.progress if each.status is Status.RUNNING else each.size
            for found in self.attempts.values()
            for each in found
            if each.is_available or each.status is Status.RUNNING
        )
        since = (self.received - self.window).total_seconds() if self.window else 0.0
        return max(0.0, self.disk_size - self.other_files - held - 20 * GB * since / (7 * 86400))
