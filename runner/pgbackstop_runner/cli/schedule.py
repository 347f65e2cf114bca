"""``pgbackstop schedule``: print, install, uninstall; for cron, systemd's timers, the Task Scheduler."""

from __future__ import annotations

import shutil
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pgbackstop_catalog import errors
from pgbackstop_catalog.moments import utc_now
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgbackstop_runner.schedules.jobs import Job, Target

app = typer.Typer(
    no_args_is_help=True,
    help="Let cron, systemd's timers or the Task Scheduler start what the daemon would.",
    rich_markup_mode=None,
    add_completion=False,
)

Kind = Literal["cron", "systemd", "windows"]
Cron = Annotated[bool, typer.Option("--cron", help="Lines of a crontab.")]
Systemd = Annotated[bool, typer.Option("--systemd", help="Units and timers of systemd.")]
Windows = Annotated[
    bool, typer.Option("--windows", help="Tasks of Windows' Task Scheduler, as XML, for WSL.")
]
Into = Annotated[
    Path | None, typer.Option("--into", help="The folder for the files; systemd's own when left out.")
]
User = Annotated[str, typer.Option(help="systemd: the account that runs them.")]
Program = Annotated[str | None, typer.Option(help="The path of pgbackstop there; this one when left out.")]

_UNITS, _BOOTED = Path("/etc/systemd/system"), Path("/run/systemd/system")
_UTF16 = "utf-16"
# A task of Windows starts us where we are: in WSL, and without a shell in between.
_WSL = ("wsl.exe", "--exec")


@app.command("print", epilog=options.examples("schedule print --systemd", "schedule print --cron"))
def print_(
    *,
    cron: Cron = False,
    systemd: Systemd = False,
    windows: Windows = False,
    user: User = "pgbackstop",
    program: Program = None,
) -> None:
    """Print what an install would write."""
    kind = _kind(cron=cron, systemd=systemd, windows=windows)
    if kind == "cron":
        _file, block = _block(program)
        terminal.say(block.rstrip())
        return
    contents, _mark = _contents(kind, user, program)
    for name, text in contents.items():
        title = f"<!-- {name} -->" if kind == "windows" else f"# --- {name}"
        terminal.say(f"{title}\n{text}")


@app.command(
    epilog=options.examples("schedule install --systemd --user pgbackstop", "schedule install --cron")
)
def install(
    *,
    cron: Cron = False,
    systemd: Systemd = False,
    windows: Windows = False,
    into: Into = None,
    user: User = "pgbackstop",
    program: Program = None,
) -> None:
    """Install the schedules of this configuration, in the place of those that were installed from it before.

    --cron changes the crontab of this account. --systemd writes units, and enables them where they are
    systemd's own. --windows writes files, and says what to type there. Exit code 2 where a schedule cannot
    be said, a file is another's, or it is not allowed.
    """
    from pgbackstop_runner.schedules import install as installation  # noqa: PLC0415

    kind = _kind(cron=cron, systemd=systemd, windows=windows)
    if kind == "cron":
        file, block = _block(program)
        changed = installation.into_crontab(file, block)
        terminal.say("The crontab is changed." if changed else "The crontab has it already.")
    else:
        contents, mark = _contents(kind, user, program)
        _change(kind, into, contents, mark)
    if kind != "windows":  # its tasks are for another host
        _count_from_now()


@app.command(epilog=options.examples("schedule uninstall --systemd"))
def uninstall(
    *, cron: Cron = False, systemd: Systemd = False, windows: Windows = False, into: Into = None
) -> None:
    """Remove the schedules that were installed from this configuration; what is not there is no error."""
    from pgbackstop_runner.schedules import install as installation  # noqa: PLC0415

    kind, file = _kind(cron=cron, systemd=systemd, windows=windows), _file()
    if kind == "cron":
        changed = installation.out_of_crontab(file)
        terminal.say("The crontab is changed." if changed else "The crontab has nothing of this.")
        return
    _change(kind, into, {}, _mark(kind, file))


def _count_from_now() -> None:
    """A catalog that is not made yet is no reason to install nothing; then the first run begins to count."""
    from pgbackstop_runner.daemon import outside  # noqa: PLC0415 - psycopg and what hangs on it

    try:
        outside.begin(options.open_workspace(), utc_now())
    except errors.CatalogError as error:
        terminal.complain(f"warning: missed runs count from the first one that starts on: {error}")


def _kind(**given: bool) -> Kind:
    kinds: tuple[Kind, ...] = ("cron", "systemd", "windows")
    wanted = [kind for kind in kinds if given[kind]]
    if len(wanted) != 1:
        raise errors.ConfigError("Say for whom.", remedy="Give one of --cron, --systemd, --windows.")
    return wanted[0]


def _file() -> Path:
    """The configuration by its full name; an uninstall need not be able to read it."""
    from pgbackstop_catalog.config import locate  # noqa: PLC0415

    return locate.find(options.Given.config).absolute()


def _block(program: str | None) -> tuple[Path, str]:
    from pgbackstop_runner.schedules import crontab  # noqa: PLC0415

    target, jobs = _target(program or _ourselves())
    return target.file, crontab.block(target, jobs, _offset, utc_now())


def _contents(kind: Kind, user: str, program: str | None) -> tuple[Mapping[str, str], str]:
    from pgbackstop_runner.schedules import systemd, task_scheduler  # noqa: PLC0415

    through = _WSL if kind == "windows" and program is None else ()
    target, jobs = _target(program or _ourselves(), through)
    mark = _mark(kind, target.file)
    if kind == "systemd":
        return systemd.units(target, jobs, user), mark
    return task_scheduler.tasks(target, jobs, utc_now()), mark


def _mark(kind: Kind, file: Path) -> str:
    from pgbackstop_runner.schedules import systemd, task_scheduler  # noqa: PLC0415

    return systemd.mark(file) if kind == "systemd" else task_scheduler.mark(file)


def _target(program: str, through: tuple[str, ...] = ()) -> tuple[Target, tuple[Job, ...]]:
    from pgbackstop_runner.schedules import jobs  # noqa: PLC0415

    opened = options.open_workspace()
    writes = jobs.writable(opened.config)
    target = jobs.Target(program=program, file=opened.file.absolute(), writes=writes, through=through)
    return target, jobs.jobs(opened.config)


def _ourselves() -> str:
    """The program that runs now, which keeps its place. Raises ConfigError."""
    beside = Path(sys.executable).with_name("pgbackstop")
    found = str(beside) if beside.exists() else shutil.which("pgbackstop")
    if found is None:
        raise errors.ConfigError("pgbackstop is not found in PATH.", remedy="Name it with --program.")
    return found


def _offset(moment: datetime) -> timedelta:
    """How far this host's clock is ahead of UTC then."""
    return timedelta(seconds=time.localtime(moment.timestamp()).tm_gmtoff)


def _change(kind: Kind, into: Path | None, contents: Mapping[str, str], mark: str) -> None:
    from pgbackstop_runner.schedules import install as installation  # noqa: PLC0415

    if kind == "windows" and into is None:
        raise errors.ConfigError("The folder for the tasks is not said.", remedy="Give --into DIR.")
    folder, encoding = into or _UNITS, _UTF16 if kind == "windows" else "utf-8"
    if into is None and _BOOTED.is_dir():
        changed, then = installation.change_units(folder, contents, mark), []
    else:
        changed = installation.compare(folder, contents, mark, encoding)
        installation.change(folder, contents, changed, encoding)
        then = _then(kind, folder, changed.written, changed.removed)
    for name in changed.written:
        terminal.say(f"written: {folder / name}")
    for name in changed.removed:
        terminal.say(f"removed: {folder / name}")
    if not (changed.written or changed.removed):
        terminal.say(f"{folder} holds nothing of this.")
    for line in then:
        terminal.say(line)


def _then(kind: Kind, folder: Path, written: tuple[str, ...], removed: tuple[str, ...]) -> list[str]:
    """What is left to be typed."""
    from pgbackstop_runner.schedules import systemd, task_scheduler  # noqa: PLC0415

    if kind == "windows":
        lines = [f'schtasks /Create /XML {name} /TN "{task_scheduler.task_name(name)}"' for name in written]
        gone = [f'schtasks /Delete /F /TN "{task_scheduler.task_name(name)}"' for name in removed]
        return ["\nThere, in that folder:", *lines, *gone] if lines or gone else []
    if not written:
        return []
    started = " ".join(systemd.started(written))
    return [
        f"\nThen: systemctl link them from {folder}, or move them to {_UNITS}, and",
        *(f"  systemctl {line}" for line in ("daemon-reload", f"enable --now {started}")),
    ]
