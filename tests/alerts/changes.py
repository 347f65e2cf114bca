"""What a fault changes in a world, at each step or once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from pgbackstop_catalog.decisions.wal_segments import WalGap
from tests.alerts.timeline import Fault
from tests.alerts.world import GB, LOGICAL, PHYSICAL, World

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


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
    """One after the other, at each step."""

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


def fills(world: World, _now: datetime) -> None:
    world.other_files += 200 * GB * (world.step / DAY)


def fills_fast(world: World, _now: datetime) -> None:
    world.other_files += 20 * GB * (world.step / HOUR)


def lags(world: World, _now: datetime) -> None:
    world.lag += 100 * 10**6


def gap(world: World, now: datetime) -> None:
    """A segment after the newest base backup: only the next one makes up for it."""
    number = max(each.start_lsn for each in world.attempts[PHYSICAL]) // 2**24 + 1
    name = f"00000001{number >> 8:08X}{number & 255:08X}"
    world.gaps = (WalGap(timeline=1, first=name, last=name, segments=1, found_at=now),)


def wal_copy_rots(world: World, now: datetime) -> None:
    world.wal_copy_rots_since = now


def gives_up_wal_of_copies(world: World, now: datetime) -> None:
    world.given_up = now


def loses_window(world: World, now: datetime) -> None:
    world.window = now


def finds_no_room(world: World, now: datetime) -> None:
    world.waiting_since = now


def deletes(world: World, _now: datetime) -> None:
    world.missing = frozenset(each.id for each in world.attempts[LOGICAL])


def deletes_one(world: World, _now: datetime) -> None:
    world.missing = frozenset([world.attempts[LOGICAL][-1].id])


def rots(world: World, _now: datetime) -> None:
    world.rotten = frozenset([world.attempts[LOGICAL][-1].id])


def copy_rots(world: World, now: datetime) -> None:
    world.copy_rots_since = now


def is_told_after_a_week(world: World, _now: datetime) -> None:
    limits = world.settings.config.verify.evolve(max_age=7 * 86400.0, copies_interval=5 * 86400.0)
    config = world.settings.config.model_copy(update={"verify": limits})
    world.settings = replace(world.settings, config=config)


def gap_that_heals(world: World, now: datetime) -> None:
    """The daemon makes a base backup at once: it is the newest, and starts behind the gap."""
    gap(world, now)
    newest, moment = world.attempts[PHYSICAL][-1], now.timestamp()
    world.attempts[PHYSICAL][-1] = newest._replace(finished=moment, start_lsn=newest.start_lsn + 2**25)
    world.copies[PHYSICAL] = replace(world.copies[PHYSICAL], success=moment)
    world.window = now


def empties(world: World, _now: datetime) -> None:
    """What the next backup sees after somebody emptied two tables."""
    world.attempts[LOGICAL][-1] = world.attempts[LOGICAL][-1]._replace(vanished=2)


def from_tomorrow(world: World, now: datetime) -> None:
    newest = world.attempts[LOGICAL][-1]
    tomorrow = (now + DAY).timestamp()
    world.attempts[LOGICAL][-1] = newest._replace(finished=tomorrow)
    world.copies[LOGICAL] = replace(world.copies[LOGICAL], success=tomorrow + 60)


def removes_plan(world: World, _now: datetime) -> None:
    plans = {name: plan for name, plan in world.settings.config.plans.items() if name != "main-logical"}
    config = world.settings.config.model_copy(update={"plans": plans})
    world.settings = replace(world.settings, config=config)


def cannot_reload(world: World, _now: datetime) -> None:
    world.settings = replace(world.settings, reload_success=False)
