"""`pgbackstop` as a process of its own, without the half second of CPU that its imports cost.

One process per session has imported the program and forks for each command: what runs has its own process
id, signals, environment, folder and pipes, as one that was started with ``python -m`` has. What Python reads
when it starts (its own variables, the locale, libraries to preload) cannot be given to a fork; where that
differs, and where coverage is measured, a command is started as usual.
"""

import atexit
import functools
import gc
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pgbackstop_runner

PROGRAM = "pgbackstop_runner.main"
_AT_START = ("COV", "FAKETIME", "LANG", "LC_", "LD_", "PYTHON", "TZ")
_UNUSED = ("pgbackstop_runner.console", "pgbackstop_runner.demo")  # by a command that ends
_MOST = 1 << 17  # bytes of a request


def run(
    *words: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout: float = 120.0
) -> subprocess.CompletedProcess[str]:
    """``pgbackstop`` with these words, to its end. Raises subprocess.TimeoutExpired."""
    env, cwd = dict(os.environ if env is None else env), cwd or Path.cwd()
    argv = [sys.executable, "-m", PROGRAM, *words]
    if not can_fork(env):
        return subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=timeout, env=env, cwd=cwd
        )
    with ExitStack() as ours:
        with ExitStack() as theirs:
            pipes = [_pipe(ours, theirs) for _ in range(2)]
            done, tells = socket.socketpair()
            ours.enter_context(done)
            theirs.enter_context(tells)
            request = json.dumps({"words": words, "env": env, "cwd": str(cwd)}).encode()
            given = [*(write for _, write in pipes), tells.fileno()]
            socket.send_fds(_server(), [request], given)
        out, err, told = _read([*(read for read, _ in pipes), done.fileno()], argv, timeout)
        return subprocess.CompletedProcess(argv, json.loads(told)[1], _text(out), _text(err))


def can_fork(env: Mapping[str, str]) -> bool:
    """Whether a fork of ours would be what a process that starts with this environment is."""
    return _at_start(env) == _at_start(os.environ) and not any(name.startswith("COV") for name in env)


def _at_start(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(_AT_START)}


def _pipe(ours: ExitStack, theirs: ExitStack) -> tuple[int, int]:
    read, write = os.pipe()
    ours.callback(os.close, read)
    theirs.callback(os.close, write)
    return read, write


def _read(files: list[int], argv: list[str], timeout: float) -> list[bytes]:
    """All that comes, until nobody writes any more."""
    deadline = time.monotonic() + timeout
    said = dict.fromkeys(files, b"")
    with selectors.DefaultSelector() as waiting:
        for file in files:
            waiting.register(file, selectors.EVENT_READ)
        while waiting.get_map():
            ready = waiting.select(max(0.0, deadline - time.monotonic()))
            if not ready and time.monotonic() > deadline:
                _kill(said[files[-1]])
                raise subprocess.TimeoutExpired(argv, timeout, said[files[0]], said[files[1]])
            for key, _ in ready:
                block = os.read(key.fd, 1 << 16)
                said[key.fd] += block
                if not block:
                    waiting.unregister(key.fd)
    return list(said.values())


def _kill(told: bytes) -> None:
    """Ends the command whose process id was told, if it was."""
    if told:
        os.kill(json.loads(told + b"0]")[0], signal.SIGKILL)


def _text(said: bytes) -> str:
    """As subprocess gives it in its text mode."""
    return said.decode().replace("\r\n", "\n").replace("\r", "\n")


@functools.cache
def _server() -> socket.socket:
    """The end of a socket at which the importing process listens; both end with this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MOST)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forks"],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _serve() -> None:
    """Forks for each request until nobody can send one. Returns in a fork, when it is to be the command."""
    for module in pkgutil.walk_packages(pgbackstop_runner.__path__, "pgbackstop_runner."):
        if module.name != PROGRAM and not module.name.startswith(_UNUSED):
            import_module(module.name)
    gc.freeze()  # or each fork's collection would copy, page by page, what all share
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=os.dup(0)) as asked:
        while request := socket.recv_fds(asked, _MOST, 3):
            if not request[0]:
                os._exit(0)
            if os.fork() == 0:
                break
            for file in request[1]:
                os.close(file)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _tell_of(*request[1])
    _become(json.loads(request[0]))


def _tell_of(out: int, err: int, tells: int) -> None:
    """Returns in a further fork, with its outputs; this process tells its id and how it ended, and ends."""
    pid = os.fork()
    if pid == 0:
        os.close(tells)
        for file, number in ((out, 1), (err, 2)):
            os.dup2(file, number)
            os.close(file)
        return
    os.close(out)
    os.close(err)
    os.write(tells, f"[{pid},".encode())
    _, status = os.waitpid(pid, 0)
    with suppress(BrokenPipeError):  # nobody waits for it any more
        os.write(tells, f"{os.waitstatus_to_exitcode(status)}]".encode())
    os._exit(0)


def _become(command: dict[str, Any]) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.environ.clear()
    os.environ.update(command["env"])
    os.chdir(command["cwd"])
    sys.path[:] = [command["cwd"], *sys.path[1:]]
    sys.argv[1:] = command["words"]
    runpy.run_module(PROGRAM, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve()
