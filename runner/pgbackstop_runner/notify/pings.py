"""Calls of a plan's own check at Healthchecks, or at what speaks as it does: started, ended well, failed.

The service says so when a run does not come at all. A call that fails costs a line in the log, and no backup.
https://healthchecks.io/docs/http_api/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import urlsplit, urlunsplit

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.notify import secrets
from pgbackstop_runner.system import http, log
from pgbackstop_runner.workspace import Workspace

_SECONDS = 5.0


def around(workspace: Workspace, plan: str, run: Callable[[], tuple[Backup, ...]]) -> tuple[Backup, ...]:
    """Call before the run, and after it with how it ended. Raises what the run raises."""
    _call(workspace, plan, "/start", "")
    try:
        backups = run()
    except BaseException as error:
        _call(workspace, plan, "/fail", errors.one_line(error) or type(error).__name__)
        raise
    good = bool(backups) and all(each.status is Status.SUCCEEDED for each in backups)
    _call(workspace, plan, "" if good else "/fail", _words(backups))
    return backups


def _words(backups: Iterable[Backup]) -> str:
    """A line for each database, as the service keeps it with the call."""
    lines = (
        " ".join(filter(None, (each.database, each.id, each.status, errors.one_line(each.message))))
        for each in backups
    )
    return "\n".join(lines)


def _call(workspace: Workspace, plan: str, suffix: str, words: str) -> None:
    file = workspace.plan(plan).ping_url_file
    if file is None:
        return
    try:
        url = _with(secrets.read_url(file, "the plan's check"), suffix)
        answer = http.ask(url, timeout=_SECONDS, method="POST", data=words.encode())
        problem = "" if answer.is_good else f"it answered with status {answer.status}"
    except (errors.ConfigError, http.NoAnswer) as error:
        problem = str(error)
    if problem:
        log.logger().warning("the plan's check could not be called", plan=plan, problem=problem)


def _with(url: str, suffix: str) -> str:
    """The address of an event: its path is longer, its query stays."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + suffix)) if suffix else url
