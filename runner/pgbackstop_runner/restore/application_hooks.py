"""The application that uses a database: stopped before it is replaced, started and checked after it.

A hook is a program with its arguments, never a shell's line, or an address. What it said is kept.
"""

from __future__ import annotations

import os
import tempfile
import time
from typing import Literal

from pgbackstop_catalog import errors, programs, units
from pgbackstop_catalog.config.server import Hook
from pgbackstop_catalog.records.restore import HookOutput
from pgbackstop_catalog.text import plain
from pgbackstop_runner.notify import secrets
from pgbackstop_runner.system import http

HookName = Literal["stop", "start", "check"]
# As much as a person reads; the end says why it failed.
_KEPT_CHARACTERS = 4000
_CHECK_PAUSE_SECONDS = 0.1


def run(name: HookName, hook: Hook) -> HookOutput:
    """Run a hook; a check is repeated until it is good or its time is over."""
    start = time.monotonic()
    ok, output = _once(name, hook, hook.timeout)
    while name == "check" and not ok and (left := start + hook.timeout - time.monotonic()) > 0:
        time.sleep(min(_CHECK_PAUSE_SECONDS, left))
        ok, output = _once(name, hook, max(0.1, start + hook.timeout - time.monotonic()))
    seconds = round(time.monotonic() - start, 3)
    return HookOutput(hook=name, ok=ok, duration_seconds=seconds, output=output[-_KEPT_CHARACTERS:])


def describe(hook: Hook) -> str:
    """What a hook is, for people."""
    return hook.url or " ".join(hook.command or ())


def token(hook: Hook) -> str | None:
    """What the hook shows to the application. Raises ConfigError where its file does not give it."""
    return None if hook.token_file is None else secrets.read(hook.token_file, "the token of the hook")


def _once(name: HookName, hook: Hook, seconds: float) -> tuple[bool, str]:
    if hook.url is None:
        return _command(hook.command or (), seconds)
    try:
        return _ask(name, hook.url, token(hook), seconds)
    except errors.ConfigError as error:
        return False, str(error)


def _command(argv: tuple[str, ...], seconds: float) -> tuple[bool, str]:
    """Run a program; what it starts may outlive it and us.

    Its output goes into a file: a pipe has its end only when all have closed it that the program left behind.
    """
    try:
        with tempfile.TemporaryFile() as file:
            status = programs.exit_status(argv, file.fileno(), seconds, errors_too=True)
            output = _last_of(file.fileno())
    except OSError as error:
        return False, f"{argv[0]} cannot be started: {error.strerror}"
    if status is None:
        return False, f"{output}\nnot done within {units.format_duration(seconds)}".strip()
    if status != 0:
        return False, f"{output}\nexit status {status}".strip()
    return True, output


def _last_of(output: int) -> str:
    """Without a seek: whoever is left behind writes at the same position."""
    size, most = os.fstat(output).st_size, 4 * _KEPT_CHARACTERS
    words = os.pread(output, most, max(0, size - most)).decode(errors="replace").strip()
    return plain(words, keep="\n")


def _ask(name: HookName, url: str, shown: str | None, seconds: float) -> tuple[bool, str]:
    authorization = None if shown is None else f"Bearer {shown}"
    method = "GET" if name == "check" else "POST"
    try:
        answer = http.ask(
            url, timeout=seconds, method=method, authorization=authorization, most_bytes=_KEPT_CHARACTERS
        )
    except http.NoAnswer as error:
        return False, f"no answer: {error}"
    return answer.is_good, plain(f"{answer.status} {answer.text}".strip(), keep="\n")
