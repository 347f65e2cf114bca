"""`pgbackstop` and its exporter as processes, without the half second of CPU that their imports cost.

One process per session has imported both programs and forks for each command: what runs has its own process
id, signals, environment, folder and pipes, as one that was started with ``python -m`` has. What Python reads
when it starts (its own variables, the locale, libraries to preload) cannot be given to a fork; where that
differs, and where coverage is measured, a command is started as usual. /proc shows the importing process's
words and environment: a test that looks for a program by these, or measures its memory, starts it itself.
Nor does a fork wait for the disk: no test cuts the power, and each backup would wait some thirty times for
what all workers of a run write.
"""

import atexit
import functools
import gc
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import pgbackstop_exporter
import pgbackstop_runner

RUNNER, EXPORTER = "pgbackstop_runner.main", "pgbackstop_exporter.main"
# Before any test changes it: the one that the importing process starts with.
_OURS = dict(os.environ)
_AT_START = ("COV", "FAKETIME", "LANG", "LC_", "LD_", "PYTHON", "TZ")
_MOST = 1 << 17  # bytes of a request
_EXTRACT = "pgbackstop_runner.formats.tar_extract"


def run(
    *words: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout: float = 120.0
) -> subprocess.CompletedProcess[str]:
    """``pgbackstop`` with these words, to its end. Raises subprocess.TimeoutExpired."""
    with start(*words, env=env, cwd=cwd) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def start(
    *words: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdout: int | IO[Any] = subprocess.PIPE,
    stderr: int | IO[Any] = subprocess.PIPE,
    program: str = RUNNER,
    pauses: Mapping[str, float] | None = None,
    forked: bool = True,
) -> subprocess.Popen[str]:
    """``pgbackstop`` with these words, running, with nothing to read; use it in a ``with`` and end it.

    ``pauses`` are other seconds for constants of the program, by ``module.NAME``: what is looked at each
    minute need not be waited for. They do not count where it is not forked: where it cannot be, and where
    ``forked`` is false, for who measures what people run, which waits for the disk.
    """
    env = dict(os.environ if env is None else env)
    argv = [sys.executable, "-m", program, *words]
    kind: Callable[..., subprocess.Popen[str]] = subprocess.Popen[str]
    if forked and can_fork(env):
        kind = functools.partial(_Forked, pauses=pauses or {})
    return kind(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        text=True,
        env=env,
        cwd=cwd or Path.cwd(),
    )


def can_fork(env: Mapping[str, str]) -> bool:
    """Whether a fork of ours would be what a process that starts with this environment is."""
    return _at_start(env) == _at_start(_OURS) and not any(name.startswith("COV") for name in env)


def _at_start(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(_AT_START)}


class _Forked(subprocess.Popen[str]):
    """A process that the importing one has forked, and of whose end it tells: it is no child of ours."""

    def __init__(self, argv: list[str], *, pauses: Mapping[str, float], **given: Any) -> None:
        self._pauses = dict(pauses)
        super().__init__(argv, **given)

    def _execute_child(self, args: list[str], *given: Any) -> None:
        cwd, env = given[4:6]
        pipes = given[9:15]  # as Popen has them: for standard input, output and errors, read and write
        self._told, tells = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with tells:
            command = {"program": args[2], "words": args[3:], "env": env, "cwd": str(cwd)}
            command["pauses"] = self._pauses
            request = json.dumps(command).encode()
            socket.send_fds(_server(), [request], [pipes[0], pipes[3], pipes[5], tells.fileno()])
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined] # of subprocess.Popen, like _child_created
        self.pid = int(self._told.recv(64))
        self._child_created = True

    def _try_wait(self, flags: int) -> tuple[int, int]:
        if flags & os.WNOHANG and not select.select([self._told], [], [], 0)[0]:
            return 0, 0
        with self._told:
            return self.pid, int(self._told.recv(64))

    def _internal_poll(self, _deadstate: int | None = None) -> int | None:
        if self.returncode is None:
            pid, status = self._try_wait(os.WNOHANG)
            if pid:
                self._handle_exitstatus(status)  # type: ignore[attr-defined] # of subprocess.Popen
        return self.returncode


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
            env=_OURS | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _serve() -> None:
    """Forks for each request until nobody can send one. Returns in a fork, when it is to be the command."""
    for package in (pgbackstop_runner, pgbackstop_exporter):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name not in {RUNNER, EXPORTER} and not module.name.startswith("pgbackstop_runner.demo"):
                import_module(module.name)
    tempfile.tempdir = None  # a fork's own environment says it
    vars(os)["fsync"] = vars(sys.modules[_EXTRACT])["sync"] = lambda _file: None  # see above
    gc.freeze()  # or each fork's collection would copy, page by page, what all share
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=os.dup(0)) as asked:
        while request := socket.recv_fds(asked, _MOST, 4):
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


def _tell_of(*given: int) -> None:
    """Returns in a further fork, with its files; this process tells its id and how it ended, and ends."""
    *files, tells = given
    pid = os.fork()
    if pid == 0:
        os.close(tells)
        for number, file in enumerate(files):
            os.dup2(file, number)
        for file in files:
            os.close(file)
        return
    for file in files:
        os.close(file)
    os.write(tells, str(pid).encode())
    status = os.waitpid(pid, 0)[1]
    with suppress(BrokenPipeError):  # nobody waits for it any more
        os.write(tells, str(status).encode())
    os._exit(0)


def _become(command: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(command["env"])
    os.chdir(command["cwd"])
    sys.path[:] = [command["cwd"], *sys.path[1:]]
    sys.argv[1:] = command["words"]
    for constant, seconds in command["pauses"].items():
        module, _, name = constant.rpartition(".")
        assert name in vars(sys.modules[module]), constant
        vars(sys.modules[module])[name] = seconds
    runpy.run_module(command["program"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve()
