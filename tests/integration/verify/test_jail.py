"""A tool that reads a backup and is taken over by what it reads reaches nothing of the host."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pgbackstop_runner.system.jail_choice import Wish
from tests.support import backups, binaries, confined, places
from tests.support.backups import Site
from tests.support.confined import Attempt
from tests.support.servers import Server

pytestmark = pytest.mark.root
PLANS = {"rows": backups.plan(databases=["postgres"]), "base": backups.plan("physical")}
TOOLS = [("rows", "pg_restore"), ("base", "pg_verifybackup"), ("base", "pg_waldump")]


@pytest.fixture(params=["bubblewrap", "landlock"])
def mechanism(request: pytest.FixtureRequest) -> Wish:
    return confined.possible(request.param)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = places.make()
    yield made
    places.remove(made)


@pytest.fixture(scope="module")
def site(pg18: Server, folder: Path) -> Site:
    """Of a version that has the tools run one by one, with one backup of each kind."""
    made = Site(folder=folder / "site", server=pg18, plans=PLANS)
    for name in PLANS:
        made.make(name)
    secret = made.folder / "password"
    secret.write_text(pg18.password)
    secret.chmod(0o600)
    return made


def attempts(site: Site, plan: str, listener: Path) -> list[Attempt]:
    stored = next(each for each in site.path(site.newest(plan)).iterdir() if each.is_file())
    words: list[tuple[str, str, *tuple[Any, ...]]] = [
        ("password", "reads", str(site.folder / "password")),
        ("configuration", "reads", str(site.file)),
        ("catalog", "names", str(site.catalog.root)),
        ("backup is cut", "cuts", str(stored)),
        ("storage", "writes", str(site.store / "PWNED")),
        ("home", "names", "/root"),
        ("runner's environment", "reads", f"/proc/{os.getpid()}/environ"),
        ("live server", "connects", int(socket.AF_INET), ["127.0.0.1", site.server.port]),
        ("socket by path", "connects", int(socket.AF_UNIX), str(listener)),
        ("signal", "kills", os.getppid()),
    ]
    return [Attempt(name=name, what=what, arguments=tuple(rest)) for name, what, *rest in words]


@pytest.mark.parametrize(("plan", "tool"), TOOLS)
def test_a_tool_that_was_taken_over(site: Site, folder: Path, mechanism: Wish, plan: str, tool: str) -> None:
    listener = folder / f"{tool}-{mechanism}.sock"
    with socket.socket(socket.AF_UNIX) as wire:
        wire.bind(str(listener))
        listener.chmod(0o777)
        wire.listen()
        tried = attempts(site, plan, listener)
        place = folder / f"{tool}-{mechanism}"
        place.mkdir()
        script = f"case $1 in --version) exec true;; esac\n{{ {confined.attack(*tried)}; }} >&2\nexit 1"
        programs = binaries.with_script(binaries.reachable(18), place / "bin", tool, script)
        settings = yaml.safe_load(site.file.read_text())
        settings["servers"]["main"]["bin_dir"] = str(programs)
        settings["drills"] = {"jail": mechanism}
        site.file.write_text(yaml.safe_dump(settings))
        done = site.run("verify", plan)
    assert done.returncode != 0
    proof = site.proofs()[0]
    details = " ".join((proof.message, *(check.detail for check in proof.checks)))
    refused, reached = confined.outcome(details)
    assert refused == len(tried)
    assert reached == {}
    assert not (site.store / "PWNED").exists()
