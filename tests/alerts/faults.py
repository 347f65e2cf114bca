"""Faults, what tells of each, and how soon: the table of docs/reference/faults-and-alerts.md."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pgbackstop_catalog.decisions.wal_segments import WalGap
from pgbackstop_catalog.records.attempt import Reason
from tests.alerts.seen import SEEN
from tests.alerts.timeline import Fault
from tests.alerts.world import GB, LOGICAL, PHYSICAL, STORE, World

# The noon of a Sunday in winter: a physical backup was made in the night, and the next drill is tomorrow.
BEGINS = datetime(2026, 11, 8, 12, tzinfo=UTC)
AFTER = timedelta(hours=2)
TEN_MINUTES = timedelta(minutes=10)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Told:
    """One fault. ``by`` tells first, ``within`` that time; ``also`` follow from it while nobody mends it."""

    what: str
    fault: Fault
    by: str
    within: timedelta
    also: tuple[str, ...] = ()
    days: float = 1.5
    after: timedelta = AFTER
    step: timedelta = TEN_MINUTES
    disk_size: float = 500 * GB
    is_new: bool = False


def does(**changes: object) -> Fault:
    """Something does not work any more, or works differently."""

    def change(world: World, _now: datetime) -> None:
        world.does = replace(world.does, **changes)  # type: ignore[arg-type]

    return change


def now_is(**changes: object) -> Fault:
    """Something is so from now on."""

    def change(world: World, _now: datetime) -> None:
        for name, value in changes.items():
            setattr(world, name, value)

    return change


def both(*faults: Fault) -> Fault:
    def change(world: World, now: datetime) -> None:
        for each in faults:
            each(world, now)

    return change


def once(action: Callable[[World, datetime], None]) -> Fault:
    """Happens in the first step only."""
    done: list[World] = []

    def change(world: World, now: datetime) -> None:
        if not any(each is world for each in done):
            done.append(world)
            action(world, now)

    return change


def _fills(world: World, _now: datetime) -> None:
    world.other_files += 200 * GB * (world.step / DAY)


def _fills_fast(world: World, _now: datetime) -> None:
    world.other_files += 20 * GB * (world.step / HOUR)


def _lags(world: World, _now: datetime) -> None:
    world.lag += 100 * 10**6


def _gap(world: World, now: datetime) -> None:
    """A segment after the newest base backup: only the next one makes up for it."""
    number = max(each.start_lsn for each in world.attempts[PHYSICAL]) // 2**24 + 1
    name = f"00000001{number >> 8:08X}{number & 255:08X}"
    world.gaps = (WalGap(timeline=1, first=name, last=name, segments=1, found_at=now),)


def _loses_window(world: World, now: datetime) -> None:
    world.window = now


def _deletes(world: World, _now: datetime) -> None:
    world.missing = frozenset(each.id for each in world.attempts[LOGICAL])


def _deletes_one(world: World, _now: datetime) -> None:
    world.missing = frozenset([world.attempts[LOGICAL][-1].id])


def _rots(world: World, _now: datetime) -> None:
    world.rotten = frozenset([world.attempts[LOGICAL][-1].id])


def _copy_rots(world: World, now: datetime) -> None:
    world.copy_rots_since = now


def _is_told_after_a_week(world: World, _now: datetime) -> None:
    limits = world.settings.config.verify.evolve(max_age=7 * 86400.0, copies_interval=5 * 86400.0)
    config = world.settings.config.model_copy(update={"verify": limits})
    world.settings = replace(world.settings, config=config)


def _gap_that_heals(world: World, now: datetime) -> None:
    """The daemon makes a base backup at once: it is the newest, and starts behind the gap."""
    _gap(world, now)
    newest, moment = world.attempts[PHYSICAL][-1], now.timestamp()
    world.attempts[PHYSICAL][-1] = newest._replace(finished=moment, start_lsn=newest.start_lsn + 2**25)
    world.copies[PHYSICAL] = replace(world.copies[PHYSICAL], success=moment)
    world.window = now


def _empties(world: World, _now: datetime) -> None:
    """What the next backup sees after somebody emptied two tables."""
    world.attempts[LOGICAL][-1] = world.attempts[LOGICAL][-1]._replace(vanished=2)


def _from_tomorrow(world: World, now: datetime) -> None:
    newest = world.attempts[LOGICAL][-1]
    tomorrow = (now + DAY).timestamp()
    world.attempts[LOGICAL][-1] = newest._replace(finished=tomorrow)
    world.copies[LOGICAL] = replace(world.copies[LOGICAL], success=tomorrow + 60)


def _removes_plan(world: World, _now: datetime) -> None:
    plans = {name: plan for name, plan in world.settings.config.plans.items() if name != "main-logical"}
    config = world.settings.config.model_copy(update={"plans": plans})
    world.settings = replace(world.settings, config=config)


def _cannot_reload(world: World, _now: datetime) -> None:
    world.settings = replace(world.settings, reload_success=False)


FAULTS = (
    Told(
        what="The daemon dies: nothing starts any more",
        fault=does(schedule=False),
        by="SchedulerDead",
        within=2 * TEN_MINUTES,
        also=("BackupScheduleMissed", "BackupTooOld"),
    ),
    Told(
        what="Each backup fails",
        fault=does(fail=Reason.TOOL),
        by="BackupFailed",
        within=DAY,
        also=("BackupTooOld",),
    ),
    Told(
        what="No backup of a new installation succeeds",
        fault=does(fail=Reason.RIGHTS),
        by="BackupFailed",
        within=2 * DAY,
        also=("BackupNeverSucceeded",),
        after=timedelta(),
        is_new=True,
    ),
    Told(
        what="The runner hangs in the middle of a backup",
        fault=does(write=False),
        by="BackupStuck",
        within=DAY,
        also=("BackupTooOld",),
    ),
    Told(
        what="Dumps are half as big as they were, from the same databases",
        fault=does(size=0.45),
        by="BackupSizeAnomaly",
        within=DAY,
    ),
    Told(
        what="Backups take three times as long",
        fault=does(slowness=3.0),
        by="BackupDurationAnomaly",
        within=DAY,
    ),
    Told(
        what="Somebody deletes a backup",
        fault=once(_deletes_one),
        by="BackupFilesMissing",
        within=2 * TEN_MINUTES,
    ),
    Told(
        what="A stored file was cut",
        fault=once(_deletes_one),
        by="BackupFilesMissing",
        within=2 * TEN_MINUTES,
    ),
    Told(
        what="A data file is gone while its folder stays",
        fault=once(_deletes_one),
        by="BackupFilesMissing",
        within=2 * TEN_MINUTES,
    ),
    Told(
        what="One bit flips in a stored backup",
        fault=once(_rots),
        by="BackupDamaged",
        within=4 * DAY,
        days=5,
        step=HOUR,
    ),
    Told(
        what="Backups are not read again any more, and verify.max_age is a week",
        fault=both(does(reread=False), _is_told_after_a_week),
        by="BackupNotReread",
        within=8 * DAY,
        days=9,
        step=HOUR,
    ),
    Told(
        what="The WAL archive is not read again any more, and verify.max_age is a week",
        fault=both(does(reread_wal=False), _is_told_after_a_week),
        by="WalNotReread",
        within=5 * DAY,
        days=6,
        step=HOUR,
    ),
    Told(
        what="One bit flips in a copy",
        fault=once(_copy_rots),
        by="BackupCopyDamaged",
        within=15 * DAY,
        days=16,
        step=HOUR,
    ),
    Told(
        what="Copies cannot be read again any more, and verify.max_age is a week",
        fault=both(does(reread_copies=False), _is_told_after_a_week),
        by="BackupCopyNotReread",
        within=3 * DAY,
        days=4,
        step=HOUR,
    ),
    Told(
        what="Somebody deletes all backups of a database",
        fault=once(_deletes),
        by="BackupFilesMissing",
        also=("BackupTooFewKept",),
        within=2 * TEN_MINUTES,
    ),
    Told(
        what="A backup finds two tables emptied that were full in the one before",
        fault=once(_empties),
        by="BackupDataVanished",
        within=2 * TEN_MINUTES,
    ),
    Told(
        what="The storage for copies is out of reach",
        fault=does(copy=False),
        by="WalCopyBehind",
        within=3 * TEN_MINUTES,
        also=("BackupCopyMissing",),
    ),
    Told(
        what="Backups cannot be restored",
        fault=does(restores=False),
        by="BackupDrillFailed",
        within=8 * DAY,
    ),
    Told(
        what="Drills do not run any more",
        fault=does(drill=False),
        by="BackupNotProven",
        within=9 * DAY,
        days=10,
        step=HOUR,
    ),
    Told(
        what="The receiver of WAL is gone",
        fault=both(does(receive=False), now_is(slot_active=False), _lags),
        by="WalReceiverDown",
        within=2 * TEN_MINUTES,
        also=("WalLagging",),
    ),
    Told(
        what="The receiver of WAL does not keep up",
        fault=both(does(receive=False), _lags),
        by="WalLagging",
        within=HOUR,
    ),
    Told(
        what="WAL is lost before it was received",
        fault=once(_gap),
        by="WalGap",
        within=TEN_MINUTES,
    ),
    Told(
        what="A gap in the WAL heals before anybody saw it",
        fault=once(_gap_that_heals),
        by="WalGap",
        within=TEN_MINUTES,
        also=("RecoveryWindowShort",),
    ),
    Told(
        what="The slot holds back more WAL than it may",
        fault=now_is(slot_retained=2 * 10**10),
        by="WalSlotRetention",
        within=2 * TEN_MINUTES,
    ),
    Told(
        what="What is older than today cannot be recovered any more",
        fault=once(_loses_window),
        by="RecoveryWindowShort",
        within=7 * HOUR,
    ),
    Told(
        what="Something else fills a disk of 2 TB by 200 GB a day",
        fault=_fills,
        by="BackupDiskFilling",
        within=6 * DAY,
        also=("BackupDiskSpaceLow", "BackupWillNotFit"),
        after=13 * DAY,
        days=22,
        disk_size=2000 * GB,
        step=HOUR,
    ),
    Told(
        what="Something else fills a disk of 500 GB by 20 GB an hour",
        fault=_fills_fast,
        by="BackupDiskFilling",
        within=4 * HOUR,
        also=("BackupDiskSpaceLow", "BackupWillNotFit"),
        days=1.0,
    ),
    Told(
        what="The disk is full at once",
        fault=now_is(other_files=450 * GB),
        by="BackupDiskSpaceLow",
        within=2 * TEN_MINUTES,
        also=("BackupWillNotFit",),
    ),
    Told(
        what="A file system finds itself damaged and turns read-only",
        fault=now_is(is_readonly=True),
        by="BackupDiskReadonly",
        within=2 * TEN_MINUTES,
    ),
    Told(
        what="The disk of the backups hangs",
        fault=now_is(down=frozenset({f"disk:{STORE}"})),
        by="CollectorStale",
        within=2 * TEN_MINUTES,
    ),
    Told(
        what="PostgreSQL is down",
        fault=now_is(down=frozenset({"postgres:main"})),
        by="PostgresUnreachable",
        within=2 * TEN_MINUTES,
    ),
    Told(
        what="The catalog cannot be read",
        fault=now_is(down=frozenset({"catalog"})),
        by="CatalogUnreadable",
        within=2 * TEN_MINUTES,
    ),
    Told(what="A record is damaged", fault=now_is(unreadable=1), by="CatalogDamaged", within=2 * TEN_MINUTES),
    Told(
        what="The exporter is down",
        fault=now_is(is_exporter_up=False),
        by="BackupExporterDown",
        within=2 * TEN_MINUTES,
        also=("BackupMetricsAbsent",),
    ),
    Told(
        what="A plan is removed by mistake",
        fault=once(_removes_plan),
        by="BackupSeriesDisappeared",
        within=3 * TEN_MINUTES,
    ),
    Told(
        what="The configuration has an error when the exporter reads it again",
        fault=_cannot_reload,
        by="BackupConfigReloadFailed",
        within=2 * TEN_MINUTES,
    ),
    Told(
        what="The clock of the runner is a day ahead",
        fault=once(_from_tomorrow),
        by="BackupTimestampInFuture",
        within=2 * TEN_MINUTES,
        also=("BackupCopyMissing",),
    ),
    Told(
        what="The clock of the exporter's host is two hours behind",
        fault=now_is(exporter_ahead=-2 * HOUR),
        by="BackupExporterClockWrong",
        within=2 * TEN_MINUTES,
        also=("PostgresClockWrong",),
    ),
    Told(
        what="The clock of the PostgreSQL server is ten minutes behind",
        fault=now_is(server_ahead=-TEN_MINUTES),
        by="PostgresClockWrong",
        within=2 * TEN_MINUTES,
    ),
    Told(
        what="Notifications of the runner do not arrive",
        fault=now_is(pending=2),
        by="NotificationsFailing",
        within=3 * TEN_MINUTES,
    ),
)

_HEAD = """\
# Faults and the alerts that tell of them

Written by `python -m tests.alerts.faults`; a test compares the two, lets each fault happen in a simulated
installation and asks promtool, with the shipped rules, what fires and when. Thirty days without a fault
raise no alert, in spring, in autumn and on a new installation.

The installation has the two default plans (a logical backup each night at 02:00, a physical one on Sundays at
03:00) in Europe/Berlin, a copy of each, drills on Mondays and WAL. *Within* counts from the fault; for what
shows only at the next run, it includes the wait for it. *Then also* fires while nobody mends it. The last
column is what else is red or orange on the first screen of [Backup Status](dashboards.md) by then, asked of a
real Prometheus.

| what goes wrong | first told by | within | then also | on the first screen, beside *What fires* |
|---|---|---|---|---|
"""


def as_markdown() -> str:
    """The page."""
    return _HEAD + "".join(_row(each) for each in FAULTS)


def _row(each: Told) -> str:
    also = ", ".join(map(_link, each.also))
    within = _in_words(each.within)
    return f"| {each.what} | {_link(each.by)} | {within} | {also} | {SEEN.get(each.what, '')} |\n"


def _in_words(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    counted = ((minutes // 1440, "day"), (minutes // 60 % 24, "hour"), (minutes % 60, "minute"))
    return " and ".join(f"{number} {unit}{'s' * (number > 1)}" for number, unit in counted if number)


def _link(alert: str) -> str:
    return f"[{alert}](../../alerts/runbooks/{alert}.md)"


if __name__ == "__main__":
    print(as_markdown(), end="")  # noqa: T201 - it is a command: what it prints is its result
