"""What this machine has, looked at for real; servers are asked for their version and their time."""

from __future__ import annotations

import ctypes
import platform
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.config.storage import FolderStorage
from pgbackstop_runner.discovery import statuses
from pgbackstop_runner.doctor import findings
from pgbackstop_runner.doctor.findings import Finding, Packages
from pgbackstop_runner.drill import empty_server
from pgbackstop_runner.postgres import client_programs, clock, sessions, versions
from pgbackstop_runner.postgres import facts as postgres_facts
from pgbackstop_runner.storage import identity
from pgbackstop_runner.system import files, jail, jail_choice
from pgbackstop_runner.workspace import Workspace

_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronized
_TIMEX_BYTES = 512  # struct timex is 208 on 64 bits


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """What a server says: its major version, and how many seconds its clock is ahead of ours."""

    major: int
    ahead: float


def machine(packages: Packages) -> list[Finding]:
    """Look at a machine that has no configuration yet."""
    return [
        _any_tools(packages),
        *(findings.tool(name, shutil.which(name), packages, needed=False) for name in ("zstd", "lz4")),
        findings.jail(jail_choice.choose(jail.host()), packages, drills=False, unconfined=False),
        findings.clock(_synchronized(), {}, packages),
    ]


def configured(workspace: Workspace, packages: Packages) -> list[Finding]:
    """Look for all that the configuration asks for."""
    config = workspace.config
    answers: dict[str, _Answer] = {}
    found: list[Finding] = []
    for name, server in config.servers.items():
        plans = [plan for plan in config.plans_of(name).values() if plan.enabled]
        found += _server(name, server, plans, answers, packages)
    used = {server.wal.compression for server in config.servers.values() if server.wal.enabled}
    for tool in ("zstd", "lz4"):
        found.append(findings.tool(tool, shutil.which(tool), packages, needed=tool in used))
    drills = any(plan.enabled and plan.drill.enabled for plan in config.plans.values())
    choice = jail_choice.choose(jail.host(), config.drills.jail)
    found.append(findings.jail(choice, packages, drills=drills, unconfined=config.drills.unconfined))
    found += _storages(workspace)
    found += (findings.discovery(each, each.age(time.time())) for each in statuses.read(workspace))
    apart = {name: answer.ahead for name, answer in answers.items()}
    found.append(findings.clock(_synchronized(), apart, packages))
    return found


def packages() -> Packages:
    """How software is installed here."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return Packages()
    return Packages(family=frozenset({release.get("ID", ""), *release.get("ID_LIKE", "").split()}))


def _any_tools(packages: Packages) -> Finding:
    usable = [each for each in client_programs.installed() if each.major >= versions.OLDEST]
    if usable:
        first = {each.version: each for each in reversed(usable)}  # /usr/bin has Debian's wrapper of one
        words = ", ".join(f"{each.version} in {each.folder}" for each in reversed(first.values()))
        return Finding(what="client tools", state="ok", found=words)
    remedy = f"of your server's version or newer: {packages.install('postgresql-client', 18)}"
    return Finding(what="client tools", state="missing", found="none is installed", remedy=remedy)


def _server(
    name: str, server: Server, plans: list[Plan], answers: dict[str, _Answer], packages: Packages
) -> Iterator[Finding]:
    what = f"client tools, server {name}"
    try:
        answers[name] = answer = _asked(server)
    except (errors.PgbackstopError, psycopg.Error) as error:
        known = sessions.broken(error) if isinstance(error, psycopg.Error) else error
        tools = _any_tools(packages)
        state: findings.State = "missing" if tools.state == "missing" else "unknown"
        words = f"its version is not known ({known.problem}); {tools.found}"
        yield Finding(what=what, state=state, found=words, remedy=tools.remedy or known.remedy)
        return
    try:
        tools_found = client_programs.find(answer.major, server.bin_dir)
    except errors.ConfigError as error:
        remedy = error.remedy if server.bin_dir else packages.install("postgresql-client", answer.major)
        yield Finding(what=what, state="missing", found=error.problem, remedy=remedy)
    else:
        words = f"{tools_found.version} in {tools_found.folder} for PostgreSQL {answer.major}"
        yield Finding(what=what, state="ok", found=words)
    drilled = [plan for plan in plans if plan.drill.enabled]
    needed = {
        program
        for plan in drilled
        for program in (empty_server.LOGICAL_PROGRAMS if plan.is_logical else empty_server.PHYSICAL_PROGRAMS)
    }
    yield _programs(name, server, answer.major, sorted(needed), packages)


def _programs(name: str, server: Server, major: int, needed: list[str], packages: Packages) -> Finding:
    """What drills need, and recoveries on this host."""
    what = f"server programs, server {name}"
    wanted = needed or list(empty_server.PHYSICAL_PROGRAMS)
    try:
        found = client_programs.of_server(major, wanted, server.bin_dir)
    except errors.ConfigError as error:
        remedy = error.remedy if server.bin_dir else packages.install("postgresql", major)
        state: findings.State = "missing" if needed else "advice"
        return Finding(what=what, state=state, found=error.problem, remedy=remedy)
    return Finding(what=what, state="ok", found=f"{found.version} in {found.folder}")


def _asked(server: Server) -> _Answer:
    with sessions.connect(server) as connection:
        return _Answer(major=postgres_facts.major(connection), ahead=clock.offset(connection))


def _storages(workspace: Workspace) -> Iterator[Finding]:
    """Each is asked for its mark, those that are remote by their own protocol."""
    for name, storage in workspace.config.storages.items():
        found = identity.look(workspace, name)
        if isinstance(storage, FolderStorage):
            free = files.free_bytes(storage.path)
            yield findings.room(name, found.place, found.problem, free, storage.reserve)
        else:
            yield findings.remote(name, found.place, found.problem)


def _synchronized() -> bool | None:
    """What the kernel says of its clock; None where it may not be asked."""
    answer: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return None if answer < 0 else answer != _TIME_ERROR
