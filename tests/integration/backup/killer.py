"""A process that makes backups in children and kills each child with SIGKILL at one named point.

The product has no hooks for tests, so the points are put in from outside, in the child only: around the
steps of an attempt, around each file that is written atomically, around the rename, around the read-back.
Started once, because a fork is quicker than an interpreter. Reads lines `<configuration> <plan> <point>`,
answers each with the child's exit status as subprocess gives it: -9 when the point was reached.
"""

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pgbackstop_catalog.config.configuration import Log
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store import atomic
from pgbackstop_catalog.store.folder import FolderCatalog
from pgbackstop_runner import workspace
from pgbackstop_runner.backup import attempt, run
from pgbackstop_runner.postgres import client_process
from pgbackstop_runner.system import log
from pgbackstop_runner.verify.checks import VerifyRun


def die() -> None:
    """What a power cut does to a process."""
    os.kill(os.getpid(), signal.SIGKILL)


def around(owner: Any, name: str, when: Callable[..., bool], *, before: bool) -> None:
    """Dies before or after the first call of `owner.name` whose arguments `when` accepts."""
    original = getattr(owner, name)

    def wrapped(*args: Any, **keywords: Any) -> Any:
        chosen = when(*args, **keywords)
        if chosen and before:
            die()
        result = original(*args, **keywords)
        if chosen:
            die()
        return result

    setattr(owner, name, wrapped)


def around_step(name: str, *, before: bool) -> None:
    """Dies as the step begins, or when all of it is done."""
    original = attempt.Attempt.step

    @contextlib.contextmanager
    def wrapped(self: attempt.Attempt, step: str) -> Iterator[None]:
        if step == name and before:
            die()
        with original(self, step):
            yield
        if step == name:
            die()

    setattr(attempt.Attempt, "step", wrapped)  # noqa: B010 - a method may not be assigned to


def _is_mark(path: Path, *_: Any, **__: Any) -> bool:
    return path.name == "backup.json"


def _becomes(name: str) -> Callable[..., bool]:
    return lambda _self, target, *_: Path(target).name == name


def _is_success(_self: FolderCatalog, record: Any) -> bool:
    return isinstance(record, Backup) and record.status is Status.SUCCEEDED


def _is_final(_self: Path, target: Path) -> bool:
    return _self.name.endswith(".partial") and not target.name.endswith(".partial")


def _is_verifying(name: str, *_: Any, **__: Any) -> bool:
    return name == "pg_verifybackup"


def _has_bytes(_self: attempt.Attempt, total: int) -> bool:
    return total > 0


def _is_verdict(record: Any, *_: Any) -> bool:
    return isinstance(record, Backup) and record.verified_at is not None


def arm(point: str) -> None:
    """Puts one point in; raises KeyError for an unknown one."""
    when, _, name = point.partition(":")
    before = when == "before"
    places: dict[str, Callable[[], None]] = {
        "running record": lambda: around(FolderCatalog, "put", lambda *_: True, before=before),
        "temporary of the running record": lambda: around(Path, "replace", lambda *_: True, before=before),
        "bytes": lambda: around(attempt.Attempt, "progress", _has_bytes, before=before),
        "rename": lambda: around(Path, "rename", _is_final, before=before),
        "commit mark": lambda: around(atomic, "write", _is_mark, before=before),
        "temporary of the commit mark": lambda: around(
            Path, "replace", _becomes("backup.json"), before=before
        ),
        "success": lambda: around(FolderCatalog, "put", _is_success, before=before),
        "read back": lambda: around(client_process, "run", _is_verifying, before=before),
        "examination": lambda: around(VerifyRun, "run", lambda *_: True, before=before),
        "verdict": lambda: around(codec, "encode", _is_verdict, before=before),
    }
    if name in places:
        places[name]()
    else:
        around_step(name, before=before)


def child(file: str, plan: str, point: str) -> None:
    """One run, which is to end at its point."""
    status = 70
    try:
        log.configure(Log(level="error"))
        arm(point)
        opened = workspace.open_workspace(Path(file), on_invalid_record=lambda _error: None)
        made = run.run(opened, plan, attempt.BackupRequest())
        status = 0 if all(each.status is Status.SUCCEEDED for each in made) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def main() -> None:
    """Serves until standard input ends."""
    for line in sys.stdin:
        file, plan, point = line.rstrip("\n").split("\t")
        pid = os.fork()
        if pid == 0:
            child(file, plan, point)
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
