"""Faults, what tells of each, and how soon."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pgbackstop_catalog.records.attempt import Reason
from tests.alerts.changes import (
    DAY,
    HOUR,
    both,
    cannot_reload,
    copy_rots,
    deletes,
    deletes_one,
    does,
    empties,
    fills,
    fills_fast,
    finds_no_room,
    from_tomorrow,
    gap,
    gap_that_heals,
    gives_up_wal_of_copies,
    is_told_after_a_week,
    lags,
    loses_window,
    now_is,
    once,
    removes_plan,
    rots,
    wal_copy_rots,
)
from tests.alerts.timeline import Fault
from tests.alerts.world import GB, HOSTS, STORE

# The noon of a Sunday in winter: a physical backup was made in the night, and the next drill is tomorrow.
BEGINS = datetime(2026, 11, 8, 12, tzinfo=UTC)
AFTER = timedelta(hours=2)
TEN_MINUTES = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """One fault. ``by`` tells first, ``within`` that time; ``also`` follow from it while nobody mends it."""

    what: str
    fault: Fault
    by: str
    within: timedelta = 2 * TEN_MINUTES
    also: tuple[str, ...] = ()
    days: float = 1.5
    after: timedelta = AFTER
    disk_size: float = 500 * GB
    is_new: bool = False

    @property
    def step(self) -> timedelta:
        """Longer where many days are lived through."""
        return HOUR if self.days > 2 else TEN_MINUTES


FAULTS = (
    Expectation(
        what="The daemon dies: nothing starts any more",
        fault=does(schedule=False),
        by="SchedulerDead",
        also=("BackupScheduleMissed", "BackupTooOld"),
    ),
    Expectation(
        what="Each backup fails",
        fault=does(fail=Reason.TOOL),
        by="BackupFailed",
        within=DAY,
        also=("BackupTooOld",),
    ),
    Expectation(
        what="No backup of a new installation succeeds",
        fault=does(fail=Reason.RIGHTS),
        by="BackupFailed",
        within=2 * DAY,
        also=("BackupNeverSucceeded",),
        after=timedelta(),
        is_new=True,
    ),
    Expectation(
        what="The runner hangs in the middle of a backup",
        fault=does(write=False),
        by="BackupStuck",
        within=DAY,
        also=("BackupTooOld",),
    ),
    Expectation(
        what="Dumps are half as big as they were, from the same databases",
        fault=does(size=0.45),
        by="BackupSizeAnomaly",
        within=DAY,
    ),
    Expectation(
        what="Backups take three times as long",
        fault=does(slowness=3.0),
        by="BackupDurationAnomaly",
        within=DAY,
    ),
    *(
        Expectation(what=what, fault=once(deletes_one), by="BackupFilesMissing")
        for what in (
            "Somebody deletes a backup",
            "A stored file was cut",
            "A data file is gone while its folder stays",
        )
    ),
    Expectation(
        what="One bit flips in a stored backup",
        fault=once(rots),
        by="BackupDamaged",
        within=4 * DAY,
        days=5,
    ),
    Expectation(
        what="Backups are not read again any more, and verify.max_age is a week",
        fault=both(does(reread=False), is_told_after_a_week),
        by="BackupNotReread",
        within=8 * DAY,
        days=9,
    ),
    Expectation(
        what="The WAL archive is not read again any more, and verify.max_age is a week",
        fault=both(does(reread_wal=False), is_told_after_a_week),
        by="WalNotReread",
        within=5 * DAY,
        days=6,
    ),
    Expectation(
        what="One bit flips in a copy",
        fault=once(copy_rots),
        by="BackupCopyDamaged",
        within=15 * DAY,
        days=16,
    ),
    Expectation(
        what="A segment of WAL in a storage for copies is found damaged, and is not in the archive any more",
        fault=once(wal_copy_rots),
        by="WalCopyDamaged",
        within=2 * TEN_MINUTES,
    ),
    Expectation(
        what="Copies cannot be read again any more, and verify.max_age is a week",
        fault=both(does(reread_copies=False), is_told_after_a_week),
        by="BackupCopyNotReread",
        within=3 * DAY,
        days=4,
        also=("WalCopyNotReread",),
    ),
    Expectation(
        what="Somebody deletes all backups of a database",
        fault=once(deletes),
        by="BackupFilesMissing",
        also=("BackupTooFewKept",),
    ),
    Expectation(
        what="A backup finds two tables emptied that were full in the one before",
        fault=once(empties),
        by="BackupDataVanished",
    ),
    Expectation(
        what="The storage for copies is out of reach",
        fault=does(copy=False),
        by="WalCopyBehind",
        within=3 * TEN_MINUTES,
        also=("BackupCopyMissing",),
    ),
    Expectation(
        what="A storage for copies was away for so long that WAL which it needs is removed here",
        fault=once(gives_up_wal_of_copies),
        by="WalCopyGap",
        within=TEN_MINUTES,
    ),
    Expectation(
        what="Backups cannot be restored",
        fault=does(restores=False),
        by="BackupDrillFailed",
        within=8 * DAY,
    ),
    Expectation(
        what="Drills do not run any more",
        fault=does(drill=False),
        by="BackupNotProven",
        within=9 * DAY,
        days=10,
    ),
    Expectation(
        what="The receiver of WAL is gone",
        fault=both(does(receive=False), now_is(slot_active=False), lags),
        by="WalReceiverDown",
        also=("WalLagging",),
    ),
    Expectation(
        what="The receiver of WAL does not keep up",
        fault=both(does(receive=False), lags),
        by="WalLagging",
        within=HOUR,
    ),
    Expectation(
        what="WAL is lost before it was received",
        fault=once(gap),
        by="WalGap",
        within=TEN_MINUTES,
    ),
    Expectation(
        what="A gap in the WAL heals before anybody saw it",
        fault=once(gap_that_heals),
        by="WalGap",
        within=TEN_MINUTES,
        also=("RecoveryWindowShort",),
    ),
    Expectation(
        what="The slot holds back more WAL than it may",
        fault=now_is(slot_retained=2 * 10**10),
        by="WalSlotRetention",
    ),
    Expectation(
        what="What is older than today cannot be recovered any more",
        fault=once(loses_window),
        by="RecoveryWindowShort",
        within=7 * HOUR,
    ),
    Expectation(
        what="Something else fills a disk of 2 TB by 200 GB a day",
        fault=fills,
        by="BackupDiskFilling",
        within=6 * DAY,
        also=("BackupDiskSpaceLow", "BackupWillNotFit"),
        after=13 * DAY,
        days=22,
        disk_size=2000 * GB,
    ),
    Expectation(
        what="Something else fills a disk of 500 GB by 20 GB an hour",
        fault=fills_fast,
        by="BackupDiskFilling",
        within=4 * HOUR,
        also=("BackupDiskSpaceLow", "BackupWillNotFit"),
        days=1.0,
    ),
    Expectation(
        what="The disk is full at once",
        fault=now_is(other_files=450 * GB),
        by="BackupDiskSpaceLow",
        also=("BackupWillNotFit",),
    ),
    Expectation(
        what="A file system finds itself damaged and turns read-only",
        fault=now_is(is_readonly=True),
        by="BackupDiskReadonly",
    ),
    Expectation(
        what="The disk of the backups hangs",
        fault=now_is(down=frozenset({f"disk:{STORE}"})),
        by="CollectorStale",
    ),
    Expectation(
        what="PostgreSQL is down",
        fault=now_is(down=frozenset({"postgres:main"})),
        by="PostgresUnreachable",
    ),
    Expectation(
        what="The catalog cannot be read",
        fault=now_is(down=frozenset({"catalog"})),
        by="CatalogUnreadable",
    ),
    Expectation(
        what="One of two hosts with workers dies",
        fault=now_is(dead_hosts=frozenset(HOSTS[:1])),
        by="WorkerLost",
    ),
    Expectation(
        what="All hosts with workers die",
        fault=now_is(dead_hosts=frozenset(HOSTS)),
        by="QueueWithoutWorker",
        also=("WorkerLost",),
    ),
    Expectation(
        what="A backup is due, and no worker has room for it",
        fault=once(finds_no_room),
        by="QueueWaitTooLong",
        within=HOUR + 2 * TEN_MINUTES,
    ),
    Expectation(
        what="The list of servers that discovery asks for is not taken any more",
        fault=does(discover=False),
        by="DiscoveryStale",
        within=HOUR + 2 * TEN_MINUTES,
    ),
    Expectation(what="A record is damaged", fault=now_is(unreadable=1), by="CatalogDamaged"),
    Expectation(
        what="The exporter is down",
        fault=now_is(is_exporter_up=False),
        by="BackupExporterDown",
        also=("BackupMetricsAbsent",),
    ),
    Expectation(
        what="A plan is removed by mistake",
        fault=once(removes_plan),
        by="BackupSeriesDisappeared",
        within=3 * TEN_MINUTES,
    ),
    Expectation(
        what="The configuration has an error when the exporter reads it again",
        fault=cannot_reload,
        by="BackupConfigReloadFailed",
    ),
    Expectation(
        what="The clock of the runner is a day ahead",
        fault=once(from_tomorrow),
        by="BackupTimestampInFuture",
        also=("BackupCopyMissing",),
    ),
    Expectation(
        what="The clock of the exporter's host is two hours behind",
        fault=now_is(exporter_ahead=-2 * HOUR),
        by="BackupExporterClockWrong",
        also=("PostgresClockWrong",),
    ),
    Expectation(
        what="The clock of the PostgreSQL server is ten minutes behind",
        fault=now_is(server_ahead=-TEN_MINUTES),
        by="PostgresClockWrong",
    ),
    Expectation(
        what="Notifications of the runner do not arrive",
        fault=now_is(pending=2),
        by="NotificationsFailing",
        within=3 * TEN_MINUTES,
    ),
)
