"""What must be started, and when, where no daemon does it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.config.schedule import Schedule
from pgbackstop_catalog.config.storage import FolderStorage
from pgbackstop_catalog.decisions import wal_copies

# Each good backup lets old ones expire; this is for what a plan keeps that has none, and for old records.
_EXPIRE = Schedule(expression="30 6 * * *")


@dataclass(frozen=True, kw_only=True)
class Job:
    """A command of ours; without a ``schedule`` it is to run all the time.

    One that ``decides`` does nothing when it is not due, so it may be started too often.
    """

    name: str
    description: str
    arguments: tuple[str, ...]
    schedule: Schedule | None
    decides: bool = False


@dataclass(frozen=True, kw_only=True)
class Target:
    """Who starts the jobs: the program, the configuration, and where its jobs may write.

    ``through`` is the command that starts the program where the schedule is another system's: WSL's.
    """

    program: str
    file: Path
    writes: tuple[Path, ...]
    through: tuple[str, ...] = ()

    def argv(self, job: Job) -> tuple[str, ...]:
        """The command of a job."""
        return (*self.through, self.program, "--config", str(self.file), *job.arguments)


def jobs(config: Config) -> tuple[Job, ...]:
    """Return the jobs of every plan that is not paused, and of every server whose WAL is archived.

    Workers receive it where there are some.
    """
    found = []
    for name, plan in config.plans.items():
        if plan.enabled:
            found.append(_of_plan("backup", name, plan.effective_schedule()))
        if plan.enabled and plan.drill.enabled:
            found.append(_of_plan("drill", name, plan.drill_schedule()))
    expire = Job(name="expire", description="expire", arguments=("expire",), schedule=_EXPIRE)
    found.append(expire)
    if config.verify.enabled:
        schedule = config.verify.effective_schedule()
        found.append(
            Job(name="verify", description="verify", arguments=("verify", "--due"), schedule=schedule)
        )
    for name, server in config.servers.items():
        if server.wal.enabled and not config.workers.enabled:
            found.append(_of_wal("receive", name))
        if wal_copies.storages(config, name):
            found.append(_of_wal("copy", name))
    return tuple(found)


def writable(config: Config) -> tuple[Path, ...]:
    """Return the folders that jobs write to."""
    folders = [each.path for each in config.storages.values() if isinstance(each, FolderStorage)]
    folders += [
        each for each in (config.catalog, config.state_folder, config.drill_folder) if isinstance(each, Path)
    ]
    return tuple(dict.fromkeys(folders))


def refusal(job: Job, why: str) -> errors.ConfigError:
    """The error for a schedule that cannot be said."""
    expression = job.schedule.expression if job.schedule is not None else ""
    return errors.ConfigError(
        f"The schedule {expression!r} of {job.description} cannot be said: {why}.",
        remedy="Change it in the configuration, or let the daemon keep the schedule.",
    )


def _of_plan(verb: str, plan: str, schedule: Schedule) -> Job:
    return Job(
        name=f"{verb}-{plan}",
        description=f"{verb} {plan}",
        arguments=(verb, plan, "--scheduled"),
        schedule=schedule,
        decides=True,
    )


def _of_wal(verb: str, server: str) -> Job:
    return Job(
        name=f"wal-{verb}-{server}",
        description=f"wal {verb} {server}",
        arguments=("wal", verb, server),
        schedule=None,
    )
