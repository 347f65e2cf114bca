"""One kill: an operation begins, is killed at its moment, and what must hold afterwards is looked at."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from pgbackstop_runner import main
from pgbackstop_runner.system import orphans
from tests.campaign.campaign import Campaign, violations
from tests.campaign.operations import Operation
from tests.campaign.ways import Way
from tests.support.backups import gone, until

_NEVER = ("Traceback", "This is a bug")


@dataclass(frozen=True, kw_only=True)
class Kill:
    """What came of one. ``code`` is negative for a signal; ``in_time`` is whether it was still running."""

    operation: str
    way: str
    number: int
    code: int
    in_time: bool
    violations: tuple[str, ...]


def duration(campaign: Campaign, operation: Operation) -> float:
    """Seconds of the operation that nobody kills. Raises AssertionError where it fails."""
    words = operation.prepare(campaign)
    start = time.monotonic()
    pid = _fork(campaign, words)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    seconds = time.monotonic() - start
    assert code == 0, (operation.name, said(campaign))
    _clear(campaign)
    return seconds


def kill(
    campaign: Campaign, operation: Operation, way: str, deed: Way, *, number: int, seed: str, seconds: float
) -> Kill:
    """Kill at a moment of the operation's ``seconds``; everything random comes from the seed."""
    draw = random.Random(seed)  # noqa: S311 - to be repeated
    words = operation.prepare(campaign)
    pid = _fork(campaign, words)
    process = psutil.Process(pid)
    time.sleep(draw.uniform(0, seconds * 1.05))
    in_time = process.status() != psutil.STATUS_ZOMBIE
    deed(process, campaign, draw)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return Kill(
        operation=operation.name,
        way=way,
        number=number,
        code=code,
        in_time=in_time,
        violations=tuple(_aftermath(campaign)),
    )


def _aftermath(campaign: Campaign) -> list[str]:
    found = [f"it said {word!r}: {said(campaign)[-2000:]}" for word in _NEVER if word in said(campaign)]
    try:
        until(lambda: gone(_waited_for(campaign)), "the end of what it started")
        campaign.tidy()
        until(lambda: gone(working(campaign)), "the end of what the next start ends")
        found += violations(campaign)
    except Exception:
        found.append(traceback.format_exc()[-3000:])
    _clear(campaign)  # so that nothing of it is in the way of the next
    return found


def _waited_for(campaign: Campaign) -> list[psutil.Process]:
    """What ends by itself, or never: all but what waits for who is gone, which the next start ends."""
    orphaned = set(orphans.found())
    return [each for each in working(campaign) if each.pid not in orphaned]


def _clear(campaign: Campaign) -> None:
    with contextlib.suppress(FileNotFoundError):
        (campaign.folder / "stderr").unlink()
    campaign.clear()


def working(campaign: Campaign) -> list[psutil.Process]:
    """Processes that have the campaign's folder among their words, but us."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.pid != os.getpid() and any(str(campaign.folder) in word for word in process.cmdline()):
                found.append(process)
    return found


def said(campaign: Campaign) -> str:
    """The standard error of the newest operation."""
    try:
        return (campaign.folder / "stderr").read_text(errors="replace")
    except OSError:
        return ""


def _fork(campaign: Campaign, words: Sequence[str]) -> int:
    """The command as a child that has imported everything already."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the campaign has its own
        _redirect(campaign.folder / "stderr")
        sys.argv = ["pgbackstop", "--config", str(campaign.file), *words]
        main.run()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _redirect(path: Path) -> None:
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(target, 1)
    os.dup2(target, 2)
