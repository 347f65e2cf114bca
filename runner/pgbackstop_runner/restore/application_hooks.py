"""The application that uses a database: stopped before it is replaced, started and checked after it.

A hook is a program with its arguments, never a shell's line, or an address. What it said is kept.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from typing import Literal
from urllib.parse import urlsplit

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.config.server import Hook
from pgbackstop_catalog.records.restore import HookOutput
from pgbackstop_catalog.text import plain
from pgbackstop_runner.notify import secrets

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
        return _answer(_request(name, hook.url, token(hook)), seconds)
    except errors.ConfigError as error:
        return False, str(error)


def _command(argv: tuple[str, ...], seconds: float) -> tuple[bool, str]:
    """Run a program in a session of its own: what it starts must outlive us, so it is not ended with us.

    Its words go into a file: a pipe has its end only when all have closed it that the program left behind.
    """
    try:
        with tempfile.TemporaryFile() as words:
            status = _exit_status(argv, words.fileno(), seconds)
            output = _last_of(words.fileno())
    except OSError as error:
        return False, f"{argv[0]} cannot be started: {error.strerror}"
    if status is None:
        return False, f"{output}\nnot done within {units.format_duration(seconds)}".strip()
    if status != 0:
        return False, f"{output}\nexit status {status}".strip()
    return True, output


def _exit_status(argv: tuple[str, ...], words: int, seconds: float) -> int | None:
    """None where it did not end in time; it is killed then, with its group. Raises OSError."""
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=words, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _last_of(words: int) -> str:
    """Without a seek: whoever is left behind writes at the same position."""
    size, most = os.fstat(words).st_size, 4 * _KEPT_CHARACTERS
    return _decoded(os.pread(words, most, max(0, size - most)))


def _request(name: HookName, url: str, shown: str | None) -> urllib.request.Request:
    method = "GET" if name == "check" else "POST"
    request = urllib.request.Request(url, method=method)  # noqa: S310 - the configuration allows http(s) only
    if shown is not None:
        # Unredirected: it is for the application alone, not for whoever the application points to.
        request.add_unredirected_header("Authorization", f"Bearer {shown}")
    return request


def _answer(request: urllib.request.Request, seconds: float) -> tuple[bool, str]:
    try:
        with _opener(request.full_url).open(request, timeout=seconds) as answer:
            body = _decoded(answer.read(_KEPT_CHARACTERS))
            return 200 <= answer.status < 300, f"{answer.status} {body}".strip()
    except urllib.error.HTTPError as error:
        with error:
            return False, f"{error.code} {_decoded(error.read(_KEPT_CHARACTERS))}".strip()
    except (OSError, ValueError) as error:
        return False, f"no answer: {getattr(error, 'reason', None) or error}"


def _opener(url: str) -> urllib.request.OpenerDirector:
    """A proxy of the environment is for the world outside: it cannot reach this machine's own addresses."""
    here = urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}
    return urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if here else []))


def _decoded(raw: bytes) -> str:
    return plain(raw.decode(errors="replace").strip(), keep="\n")
