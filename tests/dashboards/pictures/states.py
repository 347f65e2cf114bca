"""The states in which pages are looked at: what happened to the simulated installation, and what they say."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pgbackstop_catalog.records.attempt import Reason
from tests.alerts.faults import both, does, now_is, once
from tests.alerts.timeline import Fault
from tests.alerts.world import GB, LOGICAL, World

HOUR = timedelta(hours=1)
STATUS = "pgbackstop-backup-status"
PLAN = "pgbackstop-backup-plan"
HISTORY = "pgbackstop-backup-history"
WIDE, PHONE = 1920, 412
Labels = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class State:
    """``fault`` began ``ago``. ``says``, ``never``: words that panels must have, and must not, by title.

    ``also``: what other databases of a fleet suffer, each with its fault and labels.
    """

    name: str
    fault: Fault | None = None
    ago: timedelta = HOUR
    days: float = 10.0
    is_new: bool = False
    has_rules: bool = True
    pages: tuple[str, ...] = (STATUS,)
    width: int = WIDE
    light: bool = False
    fleet: tuple[Labels, ...] = ({},)
    also: tuple[tuple[Fault, Labels], ...] = ()
    says: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    never: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


NUMBER = "Need somebody"
SERVERS = "To which second can each server be restored?"
RESTS_ON = "What this page rests on"
NOT_WELL = "Not well"
FIRES = "What fires"
WELL = {NUMBER: ("0",), NOT_WELL: ("every plan is well",), FIRES: ("nothing fires",)}


def _pause(world: World, _now: datetime) -> None:
    plans = {
        name: plan.model_copy(update={"enabled": False}) for name, plan in world.settings.config.plans.items()
    }
    config = world.settings.config.model_copy(update={"plans": plans})
    world.settings = replace(world.settings, config=config)


def _fleet() -> Iterator[Labels]:
    """Fifty databases on three servers."""
    for server, databases in (("prod-eu-1", 20), ("prod-us-1", 18), ("analytics", 12)):
        for number in range(databases):
            yield {"server": server, "plan": f"{server}-nightly", "database": f"customer_{number:02}"}


def _database(server: str, database: str) -> Labels:
    return {"server": server, "plan": f"{server}-nightly", "database": database}


def _lost(world: World, _now: datetime) -> None:
    world.lag += 100 * 10**6


def _fails(world: World, now: datetime) -> None:
    """By hand, so that it has failed at any time of the day, and before it is late."""
    world.fail_by_hand(LOGICAL, now, Reason.SPACE)


STATES = (
    State(
        name="all-well",
        pages=(STATUS, PLAN, HISTORY),
        says=WELL | {RESTS_ON: ("answers", "evaluated", "proven")},
    ),
    State(
        name="failed",
        fault=both(once(_fails), does(fail=Reason.SPACE)),
        pages=(STATUS, PLAN),
        says={NUMBER: ("1",), NOT_WELL: ("failed", "not enough space", "shop"), FIRES: ("BackupFailed",)},
    ),
    State(
        name="daemon-dead-and-late",
        fault=does(schedule=False),
        ago=30 * HOUR,
        says={
            NOT_WELL: ("late",),
            RESTS_ON: ("1 dead",),
            "Next run": ("overdue",),
            FIRES: ("SchedulerDead", "BackupTooOld"),
        },
    ),
    State(
        name="never",
        fault=does(fail=Reason.RIGHTS),
        ago=72 * HOUR,
        days=3,
        is_new=True,
        says={NOT_WELL: ("never", "a right is missing"), FIRES: ("BackupNeverSucceeded",)},
    ),
    State(
        name="stuck",
        fault=does(write=False),
        ago=26 * HOUR,
        says={NOT_WELL: ("stuck", "the run hangs"), FIRES: ("BackupStuck",)},
    ),
    State(name="paused", fault=once(_pause), ago=26 * HOUR, says={NUMBER: ("0",), "Every plan": ("paused",)}),
    State(
        name="postgresql-down",
        fault=now_is(down=frozenset({"postgres:main"})),
        says={
            NUMBER: ("1",),
            RESTS_ON: ("1 silent",),
            SERVERS: ("silent", "not known"),
            FIRES: ("PostgresUnreachable",),
        },
    ),
    State(
        name="receiver-gone",
        fault=both(does(receive=False), now_is(slot_active=False), _lost),
        says={NUMBER: ("1",), SERVERS: ("nobody",), FIRES: ("WalReceiverDown",)},
    ),
    State(
        name="exporter-down",
        fault=now_is(is_exporter_up=False),
        says={
            NUMBER: ("not known",),
            RESTS_ON: ("silent", "not known"),
            SERVERS: ("no exporter", "not known"),
            NOT_WELL: ("no exporter", "not known"),
            "Free on the fullest disk": ("not known",),
            "Next run": ("not known",),
            "Last proven restore": ("not known",),
            "Every plan": ("no exporter",),
            FIRES: ("BackupExporterDown",),
        },
        never={NOT_WELL: ("every plan is well",), FIRES: ("nothing fires",)},
    ),
    State(
        name="rules-missing",
        has_rules=False,
        says={
            RESTS_ON: ("not evaluated",),
            "Critical alerts": ("not known",),
            FIRES: ("Watchdog", "does not fire"),
        },
        never={FIRES: ("nothing fires",)},
    ),
    State(
        name="disk-low",
        fault=now_is(other_files=100 * GB),
        says={FIRES: ("BackupDiskSpaceLow",)},
    ),
    State(
        name="new-installation",
        days=1 / 24,
        is_new=True,
        says=WELL | {RESTS_ON: ("not due yet",)},
    ),
    State(
        name="fleet-of-53",
        fleet=tuple(_fleet()),
        also=(
            (does(fail=Reason.SPACE), _database("prod-us-1", "invoices")),
            (does(schedule=False), _database("prod-us-1", "payments")),
            (does(write=False), _database("analytics", "search")),
        ),
        ago=30 * HOUR,
        days=4,
        pages=(STATUS, HISTORY),
        says={
            NUMBER: ("3",),
            NOT_WELL: ("invoices", "payments", "search"),
            SERVERS: ("prod-eu-1", "analytics"),
        },
    ),
    State(
        name="plan-with-30-databases",
        fleet=tuple(
            {"database": name} for name in ("shop", *(f"customer_{number:02}" for number in range(29)))
        ),
        days=4,
        pages=(PLAN,),
        says={"State": ("ok",)},
    ),
    State(name="phone", width=PHONE, says=WELL),
    State(
        name="light",
        light=True,
        fault=both(once(_fails), does(fail=Reason.SPACE)),
        says={NOT_WELL: ("failed",)},
    ),
)
