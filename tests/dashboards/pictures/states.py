"""The states in which pages are looked at: what happened to the simulated installation, and what they say."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pgbackstop_catalog.records.attempt import Reason
from tests.alerts.changes import both, does, now_is, once
from tests.alerts.timeline import Fault
from tests.alerts.world import GB, LOGICAL, World

HOUR = timedelta(hours=1)
STATUS = "pgbackstop-backup-status"
PLAN = "pgbackstop-backup-plan"
HISTORY = "pgbackstop-backup-history"
FLEET = "pgbackstop-backup-fleet"
WIDE, PHONE = 1920, 412
Labels = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class State:
    """``fault`` began ``ago``. ``says``, ``never``: words that panels must have, and must not, by title.
    ``sees``: what a person on call sees, for the reference.

    ``also``: what other databases of a fleet suffer, each with its fault and labels. ``teams``: of servers.
    """

    name: str
    sees: str
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
    teams: Mapping[str, str] = field(default_factory=dict)
    says: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    never: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


NUMBER = "Need somebody"
SERVERS = "To which second can each server be restored?"
RESTS_ON = "What this page rests on"
NOT_WELL = "Not well"
FIRES = "What fires"
WELL = {NUMBER: ("0",), NOT_WELL: ("nobody is needed",), FIRES: ("nothing fires",)}


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
        sees=(
            "*Need somebody* is a green 0, every tile below it is green, each server can be "
            "restored to a few seconds ago, *Not well* says that nobody is needed, and nothing "
            "fires."
        ),
        pages=(STATUS, PLAN, HISTORY),
        says=WELL | {RESTS_ON: ("answers", "evaluated", "proven")},
    ),
    State(
        name="failed",
        sees=(
            "*Need somebody* is a red 1, and *Not well* names the plan and database in orange "
            "with why: there was not enough space; the server itself can still be restored to a few "
            "seconds ago by its WAL."
        ),
        fault=both(once(_fails), does(fail=Reason.SPACE)),
        pages=(STATUS, PLAN),
        says={NUMBER: ("1",), NOT_WELL: ("failed", "not enough space", "shop"), FIRES: ("BackupFailed",)},
    ),
    State(
        name="daemon-dead-and-late",
        sees=(
            "*Need somebody* is red, the tile *Daemon* and the first row of *Not well* say that "
            "it is dead, *Next run* is overdue, and the plan that no run started for is late."
        ),
        fault=does(schedule=False),
        ago=30 * HOUR,
        says={
            NUMBER: ("2",),
            NOT_WELL: ("late", "daemon dead"),
            RESTS_ON: ("1 dead",),
            "Next run": ("overdue",),
            FIRES: ("SchedulerDead", "BackupTooOld"),
        },
    ),
    State(
        name="never",
        sees=(
            "*Restorable until* is a red *never*, and *Not well* names the plan that was due and "
            "has never succeeded, with why: a right is missing, three times in a row."
        ),
        fault=does(fail=Reason.RIGHTS),
        ago=72 * HOUR,
        days=3,
        is_new=True,
        says={
            SERVERS: ("never",),
            NOT_WELL: ("never", "a right is missing"),
            FIRES: ("BackupNeverSucceeded",),
        },
    ),
    State(
        name="stuck",
        sees=(
            "*Not well* names the plan in purple: its run hangs, and its newest success is a day "
            "old, for which BackupTooOld fires."
        ),
        fault=does(write=False),
        ago=26 * HOUR,
        says={NOT_WELL: ("stuck", "the run hangs"), FIRES: ("BackupStuck",)},
    ),
    State(
        name="paused",
        sees=(
            "Nobody is needed, because somebody wanted it so: *Next run* says in orange that no "
            "plan is enabled, and *Every plan* that they are paused."
        ),
        fault=once(_pause),
        ago=26 * HOUR,
        says={NUMBER: ("0",), NOT_WELL: ("nobody is needed",), "Every plan": ("paused",)},
    ),
    State(
        name="postgresql-down",
        sees=(
            "The tile *PostgreSQL* counts one that is silent, the server's own row says so and "
            "that nobody knows of its receiver, and *Not well* has the reason; what could be "
            "restored before can be restored still."
        ),
        fault=now_is(down=frozenset({"postgres:main"})),
        says={
            NUMBER: ("1",),
            RESTS_ON: ("1 silent",),
            SERVERS: ("silent", "not known"),
            NOT_WELL: ("silent", "main", "connection refused"),
            FIRES: ("PostgresUnreachable",),
        },
    ),
    State(
        name="receiver-gone",
        sees=(
            "*Receiver* is a red *nobody*: *Restorable until* stands still, *Behind by* grows, "
            "and *Of limit* is far above 100 %."
        ),
        fault=both(does(receive=False), now_is(slot_active=False), _lost),
        says={NUMBER: ("1",), SERVERS: ("nobody",), NOT_WELL: ("no receiver",), FIRES: ("WalReceiverDown",)},
    ),
    State(
        name="exporter-down",
        sees=(
            "Everything is a red *not known*, nothing is 0 or green but that Prometheus evaluates "
            "the rules, and BackupExporterDown fires: begin with the exporter."
        ),
        fault=now_is(is_exporter_up=False),
        pages=(STATUS, PLAN),
        says={
            "State": ("not known",),
            "Proof of the limit": ("not known",),
            "Copies by storage": ("no exporter", "not known"),
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
        never={NOT_WELL: ("nobody is needed",), FIRES: ("nothing fires",)},
    ),
    State(
        name="rules-missing",
        sees=(
            "The tile *Alert rules* is red and *Critical alerts* is *not known*: no alert can "
            "fire, and the 0 at the top left, which needs no rules, is all there is to go by."
        ),
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
        sees=(
            "*Free on the fullest disk* is red, and *Not well* names its path; all backups are "
            "good until the next does not fit."
        ),
        fault=now_is(other_files=100 * GB),
        says={NUMBER: ("1",), NOT_WELL: ("disk low", "/srv/backups"), FIRES: ("BackupDiskSpaceLow",)},
    ),
    State(
        name="new-installation",
        sees=(
            "Plans and restores are *not due yet*, in blue, and so is *Restorable until*: nothing "
            "was made, nothing is late, and nobody is needed."
        ),
        days=1 / 24,
        is_new=True,
        says=WELL | {RESTS_ON: ("not due yet",), SERVERS: ("not yet",)},
    ),
    State(
        name="fleet-of-53",
        sees=(
            "Three of 53 plans need somebody, and *Not well* names just these, the worst first, "
            "each with its own reason; all three servers can be restored to a few seconds ago."
        ),
        fleet=tuple(_fleet()),
        also=(
            (does(fail=Reason.SPACE), _database("prod-us-1", "invoices")),
            (does(schedule=False), _database("prod-us-1", "payments")),
            (does(write=False), _database("analytics", "search")),
        ),
        ago=30 * HOUR,
        days=4,
        teams={"prod-eu-1": "payments", "prod-us-1": "payments", "analytics": "data"},
        pages=(STATUS, HISTORY, FLEET),
        says={
            NUMBER: ("3",),
            NOT_WELL: ("invoices", "payments", "search"),
            SERVERS: ("prod-eu-1", "analytics"),
            "Servers that need somebody": ("2",),
            "By state": ("ok", "late"),
            "By team": ("payments", "data"),
            "Every server": ("prod-eu-1", "prod-us-1", "analytics", "payments"),
        },
    ),
    State(
        name="plan-with-30-databases",
        sees=(
            "The page of one plan shows one of its databases, here one that is well; the others "
            "are chosen above it."
        ),
        fleet=tuple(
            {"database": name} for name in ("shop", *(f"customer_{number:02}" for number in range(29)))
        ),
        days=4,
        pages=(PLAN,),
        says={"State": ("ok",)},
    ),
    State(
        name="phone",
        sees=(
            "The number is the first thing on the screen, and below it to which second each "
            "server can be restored; wide tables move sideways."
        ),
        width=PHONE,
        says=WELL,
    ),
    State(
        name="light",
        sees=("With Grafana's light theme the same words have the same colours: here a failed backup."),
        light=True,
        fault=both(once(_fails), does(fail=Reason.SPACE)),
        says={NOT_WELL: ("failed",)},
    ),
)
