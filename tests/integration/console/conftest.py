"""The real daemon with its console, a real PostgreSQL behind it, and visitors of each role."""

import contextlib
import http.client
import json
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import bcrypt
import pytest
import yaml
from playwright.sync_api import Browser, expect, sync_playwright

from pgbackstop_catalog.store.folder import FolderCatalog
from tests.integration.daemon.conftest import until
from tests.support import backups, forks, ports, storages
from tests.support.databases import Database

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
DEADLINE = 120.0  # seconds; only what is broken ever takes so long
PASSWORD = "correct horse battery"
ROLES = {"vera": "viewer", "otto": "operator", "ada": "admin"}
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


@dataclass(kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str


@dataclass(kw_only=True)
class Visit:
    """A browser without a screen: it keeps the cookie, and sends what it is told."""

    port: int
    context: ssl.SSLContext | None = None
    cookie: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, form: Mapping[str, str] | None = None, **headers: str) -> Answer:
        """One request; underscores of header names are hyphens."""
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            sent["Cookie"] = self.cookie
        body = urlencode(form) if form is not None else None
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        return self.send(method, path, body, sent)

    def send(self, method: str, path: str, body: str | bytes | None, sent: Mapping[str, str]) -> Answer:
        """One request as it is."""
        with contextlib.closing(self._line()) as line:
            line.request(method, path, body=body, headers=sent)
            answer = line.getresponse()
            text = answer.read().decode()
        return Answer(status=answer.status, headers=dict(answer.getheaders()), text=text)

    def _line(self) -> http.client.HTTPConnection:
        if self.context is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=DEADLINE, context=self.context)

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def login(self, name: str, password: str = PASSWORD, **headers: str) -> Answer:
        answer = self.ask("POST", "/login", {"name": name, "password": password}, **headers)
        if "Set-Cookie" in answer.headers:
            self.cookie = answer.headers["Set-Cookie"].partition(";")[0]
        return answer

    def csrf(self) -> str:
        """The token of our session, as each page has it."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get("/plans").text)
        assert found, "no form"
        return found[1]

    def post(self, path: str, form: Mapping[str, str] | None = None, **headers: str) -> Answer:
        """Fill a form in, and press its button."""
        return self.ask("POST", path, {"csrf": self.csrf(), **(form or {})}, **headers)


@dataclass(kw_only=True)
class Site:
    folder: Path
    port: int
    daemon: subprocess.Popen[str]
    context: ssl.SSLContext | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def catalog(self) -> FolderCatalog:
        return FolderCatalog(self.folder / "store" / "catalog")

    def visit(self, name: str = "") -> Visit:
        """Somebody new, logged in where a name is given."""
        made = Visit(port=self.port, context=self.context)
        if name:
            assert made.login(name).status == 303
        return made

    def answers(self) -> bool:
        if self.daemon.poll() is not None:
            pytest.fail((self.folder / "log").read_text())
        if "console served" not in (self.folder / "log").read_text():
            return False  # whoever answers at this port is another
        try:
            return self.visit().get("/login").status == 200
        except OSError:
            return False


def configuration(database: Database, port: int) -> dict[str, Any]:
    return {
        "servers": {"main": backups.reached(database.server)},
        "storages": {"disk": {"kind": "folder", "path": "store", "reserve": 0}},
        "plans": {
            "shop": {
                "server": "main",
                "backup_type": "logical",
                "databases": [database.name],
                "schedule": "0 2 1 1 *",
                "drill": {"enabled": False},
            },
            "archive": {
                "server": "main",
                "backup_type": "logical",
                "databases": [database.name],
                "timezone": "Europe/Berlin",
                "enabled": False,
            },
        },
        "console": console(port),
    }


def console(port: int) -> dict[str, Any]:
    """The console's part of a configuration."""
    return {
        "listen": f"127.0.0.1:{port}",
        "name": "Test <b>house</b>",
        "operations_outlive_daemon": False,  # nothing goes on after a test
        "users": {name: {"role": role, "password_hash": HASH} for name, role in ROLES.items()},
    }


@contextlib.contextmanager
def running(folder: Path, file: Path, port: int, context: ssl.SSLContext | None = None) -> Iterator[Site]:
    """The daemon with that configuration, once its console answers."""
    with (folder / "log").open("wb") as log:
        daemon = forks.start("--config", str(file), "daemon", stdout=subprocess.DEVNULL, stderr=log)
    made = Site(folder=folder, port=port, daemon=daemon, context=context)
    try:
        until(made.answers, "the console answers")
        yield made
    finally:
        if daemon.poll() is None:
            daemon.terminate()
        daemon.wait(DEADLINE)


@pytest.fixture
def site(tmp_path: Path, database: Database) -> Iterator[Site]:
    with serving(tmp_path, database) as made:
        yield made


@contextlib.contextmanager
def serving(
    tmp_path: Path, database: Database, context: ssl.SSLContext | None = None, **console: Any
) -> Iterator[Site]:
    """The daemon of such a console, once it answers; ``context`` trusts it where it has TLS."""
    port = ports.free()
    document = configuration(database, port)
    document["console"] |= console
    file = tmp_path / "pgbackstop.yaml"
    file.write_text(yaml.safe_dump(document))
    storages.create_for(file)
    with running(tmp_path, file, port, context) as made:
        yield made


def ended(visit: Visit, started: Answer) -> str:
    """The page of an operation that was started, at its end."""
    assert started.status == 303, started.text
    return followed(visit, started.headers["Location"])


def planned(visit: Visit, path: str) -> str:
    """The page of a restore, with its plan drawn or refused."""
    visit.get(path)
    return followed(visit, path)


def followed(visit: Visit, path: str) -> str:
    """The page when it waits for nothing more; it asks for itself as htmx does."""

    def still() -> str:
        page = visit.ask("GET", path, HX_Request="true").text
        return "" if "hx-get" in page else page

    found: str = until(still, f"{path} waits no more")
    return found


def deeds(site: Site) -> list[tuple[str, str, str]]:
    """Who did what by the audit, and with which outcome; logins left out."""
    file = site.folder / "store" / "catalog" / "state" / "console-audit.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [(line["user"], line["action"], line["outcome"]) for line in lines if line["action"] != "login"]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One for all tests of the console: each has a context, or a page, of its own.

    Not for the whole session: while it is there, no other test can run an event loop.
    """
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed: Debian's package draws the pages")
    expect.set_options(timeout=DEADLINE * 1000)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield started
        started.close()
