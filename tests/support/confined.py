"""The runner as another account, and hostile code that says what it reached from where it was executed."""

import base64
import functools
import json
import os
import pwd
import re
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_runner.system import jail, jail_choice
from pgbackstop_runner.system.jail_choice import Wish
from tests.support import backups
from tests.support.accounts import Account

ROOTS = Path(__file__).parents[2]
_SOURCES = (ROOTS / "catalog", ROOTS / "runner", ROOTS / "exporter")
# Found in a message of the server, which is all that comes out of a jail.
_FOUND = re.compile(r"REACHED ([A-Za-z0-9+/=]+) OVER")
# Each attempt by its name; what raises was refused. Short, for a message of the server is bounded.
_ATTEMPTS = """
import base64, json, os, signal, socket, subprocess

def names(folder):
    return os.listdir(folder)

def reads(path):
    return open(path, "rb").read(20).decode("latin-1")

def writes(path):
    open(path, "w").write("PWNED")

def connects(family, address):
    with socket.socket(family) as wire:
        wire.settimeout(2)
        wire.connect(address)

def sends(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.sendto(b"PWNED", address)

def kills(pid):
    os.kill(pid, signal.SIGTERM)

def stays(mark):
    subprocess.run(
        ["setsid", "-f", "sleep", mark],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )

def cuts(path):
    os.truncate(path, 0)

def closes(path):
    before = os.stat(path).st_mode
    os.chmod(path, 0)
    if os.stat(path).st_mode == before:
        raise PermissionError("nothing was changed")

def nests(depth):
    os.mkdir("closed", 0o300)
    open("closed/file", "w").close()
    os.symlink("/", "closed/link")
    for _ in range(depth):
        os.mkdir("d")
        os.chdir("d")

refused, found = 0, {}
for name, what, *words in json.loads(base64.b64decode(PLAN)):
    try:
        words = [tuple(each) if isinstance(each, list) else each for each in words]
        found[name] = str(globals()[what](*words))[:40]
    except Exception:
        refused += 1
print("REACHED", base64.b64encode(json.dumps([refused, found]).encode()).decode(), "OVER")
"""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One thing that hostile code tries: a function above, and its arguments."""

    name: str
    what: str
    arguments: tuple[Any, ...]


def attack(*attempts: Attempt) -> str:
    """A line of shell that makes all attempts and prints what came of them."""
    plan = json.dumps([[each.name, each.what, *each.arguments] for each in attempts]).encode()
    program = f"PLAN = {base64.b64encode(plan).decode()!r}\n{_ATTEMPTS}"
    return f"echo {base64.b64encode(program.encode()).decode()} | base64 -d | /usr/bin/python3 - 2>&1"


def outcome(words: str) -> tuple[int, dict[str, str]]:
    """What the attempts came to, out of a message: how many were refused, and what the others reached."""
    match = _FOUND.search(words)
    assert match is not None, f"the attack was not carried out: {words}"
    refused, reached = json.loads(base64.b64decode(match[1]))
    return refused, reached


def account(name: str) -> Account:
    """An account of the host; skips where it lacks or we may not become it."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        pytest.skip(f"this host has no account {name}")
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


@functools.cache
def interpreter(uid: int, gid: int) -> tuple[str, Mapping[str, str]]:
    """A Python that the account can run with everything that the runner needs, and its environment."""
    places = [*map(str, _SOURCES), sysconfig.get_path("platlib"), sysconfig.get_path("purelib")]
    more = {"PYTHONPATH": os.pathsep.join(dict.fromkeys(places)), "PYTHONDONTWRITEBYTECODE": "1"}
    for program in (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"):
        try:
            done = subprocess.run(
                [program, "-c", "import pgbackstop_runner.main, psycopg"],
                user=uid,
                group=gid,
                extra_groups=[],
                cwd="/",
                env=more,
                capture_output=True,
                check=False,
            )
        except OSError:
            continue
        if done.returncode == 0:
            return program, more
    pytest.skip("another account can run no Python of this version with the runner's packages")


def run_as(who: Account, site: backups.Site, *words: str) -> subprocess.CompletedProcess[str]:
    """The command line to its end, as another account."""
    program, more = interpreter(who.uid, who.gid)
    return subprocess.run(
        [program, "-m", "pgbackstop_runner.main", "--config", str(site.file), *words],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        timeout=2 * backups.PATIENCE,
        env={**backups.environment(), **more},
        **who.credentials,
    )


def possible(wish: Wish) -> Wish:
    """The mechanism; skips where this host does not let anybody have it."""
    choice = jail_choice.choose(jail.host(), wish)
    if choice.mechanism == "none":
        pytest.skip(choice.reason)
    return wish


def give(folder: Path, who: Account) -> None:
    """Hands a folder over with all that is in it."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, who.uid, who.gid, follow_symlinks=False)
