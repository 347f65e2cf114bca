"""A Docker engine of the test's own: real, with namespaces of its own, gone without a trace when it ends.

Its network, mounts and processes are in namespaces of their own. So nothing on the machine can collide with
it (ports, bridges, rules of the firewall), and ending its first process ends every container, mount and
network with it, also when the test was killed.
"""

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import psutil
from testcontainers.compose import DockerCompose

from tests.support import places, skips

START_TIMEOUT = 90.0  # seconds; it takes three
# From any container; fixed, so that a test can listen there before there is a network.
GATEWAY = "172.31.255.1"
_PROBE = "pgbackstop-test/probe"
_GET = "import sys,urllib.request as u;sys.stdout.write(u.urlopen(sys.argv[1],timeout=10).read().decode())"
# Its status, whichever it is.
_POST = """
import sys, urllib.error, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1], data=b"", timeout=10).status)
except urllib.error.HTTPError as error:
    print(error.code)
except OSError:
    print(0)
"""


class EngineError(Exception):
    """A command of the engine failed; the text holds what it said."""


def compose_program() -> Path:
    """Compose v2. Not the script of its package, which forgets the exit status."""
    spec = find_spec("compose")
    program = Path(spec.origin).parent / "docker-compose" if spec is not None and spec.origin else None
    if program is None or not program.exists():
        skips.platform_impossible("there is a Compose for tests on x86_64 only")
    return program


class Engine:
    """Started by ``with``; skips where the kernel or the container that we are in does not allow an engine.

    That is no fault of an installation, so it does not fail where everything is required. A fault of ours
    cannot hide there: until the probe has run, nothing of the project has been touched.
    """

    def __init__(self) -> None:
        self.folder = places.make()
        self.log = self.folder / "dockerd.log"
        self._socket = self.folder / "docker.sock"
        self._group = f"/{self.folder.name}"
        self._process: subprocess.Popen[bytes] | None = None
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "DOCKER_HOST": f"unix://{self._socket}",
            "COMPOSE_BAKE": "false",  # says on every build that a plugin is missing
        }

    def __enter__(self) -> Self:
        try:
            self._start()
            self._probe()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        (self.folder / "daemon.json").write_text("{}")
        dockerd = ["dockerd", f"--data-root={self.folder}/data", f"--exec-root={self.folder}/exec"]
        dockerd += [f"--pidfile={self.folder}/pid", f"--host=unix://{self._socket}", f"--bip={GATEWAY}/24"]
        dockerd += [f"--config-file={self.folder}/daemon.json"]
        if "--oom-score-adjust" in self._try("dockerd", "--help").stdout:
            # Older engines make themselves harder to kill, which needs CAP_SYS_RESOURCE.
            dockerd += ["--oom-score-adjust=0"]
        dockerd += [f"--cgroup-parent={self._group}"]
        command = ["setpriv", "--pdeathsig=KILL", "nice", "-n5", "unshare", "--net", "--mount", "--pid"]
        command += ["--fork", "--kill-child", "--mount-proc"]
        command += ["sh", "-c", 'ip link set lo up && exec "$@"', "sh", *dockerd]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        wait_for("the engine", self._answers, START_TIMEOUT)

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            skips.platform_impossible(f"no Docker engine can run here: {self._last_words()}")
        return self._socket.exists() and self._try("docker", "version").returncode == 0

    def _probe(self) -> None:
        """Whether it can run a container at all: namespaces, cgroups, overlay, all at once."""
        program = Path(shutil.which("docker-init") or "/usr/bin/docker-init").resolve()  # needs no library
        archive = f"tar -c -C {program.parent} {program.name} | docker import - {_PROBE}"
        made = self._try("sh", "-c", archive)
        ran = self._try("docker", "run", "--rm", _PROBE, f"/{program.name}", "--version")
        if made.returncode or ran.returncode:
            skips.platform_impossible(f"no container can run here: {(made.stderr + ran.stderr).strip()}")

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    @property
    def _inside(self) -> int:
        """The first process in the namespaces."""
        assert self._process is not None
        return int(psutil.Process(self._process.pid).children()[0].pid)

    def client(self) -> Path:
        """A docker command that asks this engine, and knows Compose as its plugin."""
        plugins, program = self.folder / ".docker" / "cli-plugins", self.folder / "docker"
        if not program.exists():
            plugins.mkdir(parents=True)
            (plugins / "docker-compose").symlink_to(compose_program())
            words = shlex.join(f"{name}={value}" for name, value in self.environment.items())
            program.write_text(f'#!/bin/sh\nexec env -i {words} docker "$@"\n')
            program.chmod(0o755)
        return program

    def enter_network(self, *command: str) -> list[str]:
        """The command, as one that runs in the engine's network, where ports are published."""
        return ["nsenter", f"--target={self._inside}", "--net", *command]

    @property
    def pid_namespace(self) -> list[str]:
        """Arguments of nsenter: where the numbers of processes are the engine's."""
        return [f"--target={self._inside}", "--pid", "--mount"]

    @property
    def mount_namespace(self) -> list[str]:
        """Arguments of nsenter: where file systems are the engine's, and end with it."""
        return [f"--target={self._inside}", "--mount"]

    def get(self, url: str) -> str:
        """What a published port answers. Raises EngineError."""
        return self.run(*self.enter_network(sys.executable, "-c", _GET, url))

    def post(self, url: str) -> int:
        """The status that a published port answers a POST without content with; 0 where none came."""
        return int(self.run(*self.enter_network(sys.executable, "-c", _POST, url)))

    def run(self, *command: str, cwd: Path | None = None, timeout: float = 240) -> str:
        """The command's standard output. Raises EngineError when it fails."""
        answer = self._try(*command, cwd=cwd, timeout=timeout)
        if answer.returncode != 0:
            raise EngineError(
                f"{' '.join(command)}: exit {answer.returncode}\n{answer.stdout}{answer.stderr}"
            )
        return answer.stdout

    def _try(
        self, *command: str, cwd: Path | None = None, timeout: float = 240
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=cwd,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=timeout,
        )

    def close(self) -> None:
        """End it and all that it runs, and remove its folder."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        # What the kernel ends with the namespace may hold a mount for a moment longer.
        wait_for("the engine's folder to go", self._is_gone, START_TIMEOUT)

    def _is_gone(self) -> bool:
        shutil.rmtree(self.folder, ignore_errors=True)
        groups = sorted(
            Path("/sys/fs/cgroup").glob(f"**{self._group}/**/"), key=lambda path: -len(path.parts)
        )
        for group in groups:
            try:
                group.rmdir()
            except OSError:
                return False
        return not self.folder.exists()


def wait_for(what: str, condition: Callable[[], bool], seconds: float) -> None:
    """Until it is so. Raises EngineError when it takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise EngineError(f"{what} took longer than {seconds:g} s")
        time.sleep(0.5)


class Compose:
    """Compose v2 for one project folder."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder
        self._program = str(compose_program())

    def up(self, services: Iterable[str]) -> None:
        """Start services from images that are there, and wait until they are healthy. Raises EngineError."""
        compose = DockerCompose(
            self._folder, services=sorted(services), docker_command_path=str(self._engine.client())
        )
        try:
            compose.start()
        except subprocess.CalledProcessError as error:
            raise EngineError(error.stderr.decode(errors="replace")) from error

    def __call__(self, *arguments: str, timeout: float = 240) -> str:
        """Standard output. Raises EngineError."""
        return self._engine.run(self._program, *arguments, cwd=self._folder, timeout=timeout)
