"""A running stack of the unmodified compose file, and what one asks of it."""

import contextlib
import email
import email.policy
import json
import shutil
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.stack import stand_ins
from tests.stack.engine import GATEWAY, Compose, Engine, compose_program
from tests.support import install_stack

ROOT = Path(__file__).resolve().parents[2]
COPIED = (
    "alerts", "catalog", "compose", "dashboards", "exporter", "packaging", "requirements", "runner",
    ".dockerignore", ".env.example", "compose.yaml", "LICENSE", "pyproject.toml", "README.md",
)  # fmt: skip
MAIL_PORT = 8025
PATIENCE = 180.0  # seconds; what works takes one to forty
LONG_RUNNING = {
    "runner",
    "exporter",
    "postgres-exporter",
    "prometheus",
    "alertmanager",
    "demo-postgres",
    "demo-shop",
}


class Stack:
    """A running stack, and what one asks of it."""

    def __init__(self, engine: Engine, folder: Path, mail: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.compose = Compose(engine, folder)
        self._mail = mail

    def up(self) -> None:
        """As the manual says; Grafana has no stand-in, and nothing may be pulled."""
        # What sets up and ends is started for the others; asked for by name, it is waited for in vain.
        self.compose.up(set(self.compose("config", "--services").split()) - {"grafana", "setup"})

    def write(self, name: str, settings: Mapping[str, str]) -> None:
        """A file of settings, after what it says already."""
        with (self.folder / name).open("a") as file:
            file.writelines(f"{key}={value}\n" for key, value in settings.items())

    def runner(self, *arguments: str) -> str:
        return self.compose("exec", "--no-TTY", "runner", "pgbackstop", *arguments)

    def sql(self, statement: str, *, database: str = "postgres") -> None:
        self.compose(
            "exec", "--no-TTY", "demo-postgres",
            "psql", "--host=/var/run/postgresql", "--username=postgres", f"--dbname={database}",
            "--set=ON_ERROR_STOP=1", "--command", statement,
        )  # fmt: skip

    def health(self) -> dict[str, str]:
        """Of every container, by its service."""
        answer = self.compose("ps", "--all", "--format=json")
        listed = [json.loads(line) for line in answer.splitlines()]
        return {each["Service"]: each["Health"] or each["State"] for each in listed}

    def is_healthy(self) -> bool:
        found = self.health()
        return all(found[service] == "healthy" for service in LONG_RUNNING)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The vector that Prometheus answers with."""
        return self._ask("query", query=expression)

    def query_range(self, expression: str, *, seconds: int, step: int) -> list[dict[str, Any]]:
        """The matrix of the last ``seconds``, a value each ``step`` of them."""
        now = time.time()
        return self._ask("query_range", query=expression, start=now - seconds, end=now, step=step)

    def _ask(self, what: str, **parameters: object) -> list[dict[str, Any]]:
        asked = urllib.parse.urlencode(parameters)
        answer = json.loads(self.engine.get(f"http://127.0.0.1:9090/api/v1/{what}?{asked}"))
        return list(answer["data"]["result"])

    def alerts(self) -> dict[str, dict[str, Any]]:
        """What Alertmanager has, by name."""
        answer = json.loads(self.engine.get("http://127.0.0.1:9093/api/v2/alerts"))
        return {each["labels"]["alertname"]: each for each in answer}

    def mails(self) -> list[EmailMessage]:
        return [
            email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            for path in sorted((self._mail / "new").glob("*"))
        ]

    def has_mail(self, *words: str) -> bool:
        return any(all(word in str(mail["Subject"]) for word in words) for mail in self.mails())


def skip_where_impossible() -> None:
    """Where no engine can run, or where the tests' tools are not installed."""
    reason = install_stack.impossible()
    if reason is not None:
        pytest.skip(reason)
    if not install_stack.is_current():
        pytest.skip("the base of the images is not prepared: run python -m tests.support.install_stack")
    compose_program()


@contextlib.contextmanager
def prepared(folder: Path, *, host: str | None = None) -> Iterator[Stack]:
    """Images built, .env for that server (the demo's when None) with mail as the channel; nothing started.

    Skips where that cannot be.
    """
    skip_where_impossible()
    project = folder / "pgbackstop"
    copy_project(project)
    with Engine() as engine, mail_server(engine, folder / "mail") as mail:
        made = Stack(engine, project, mail)
        stand_ins.build(engine, stand_ins.wanted(project))
        shutil.copy(project / ("compose/demo.env" if host is None else ".env.example"), project / ".env")
        made.write(
            ".env",
            {
                "ALERT_EMAIL_TO": "dba@shop.example",
                "ALERT_EMAIL_FROM": "pgbackstop@shop.example",
                "ALERT_SMTP_SERVER": f"{GATEWAY}:{MAIL_PORT}",
                "ALERT_SMTP_REQUIRE_TLS": "false",
                **({} if host is None else {"POSTGRES_HOST": host}),
            },
        )
        made.compose("build", "--quiet", timeout=600)
        yield made


def copy_project(folder: Path) -> None:
    """What a user has after a clone, as far as the stack reads it."""
    folder.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(source, folder / name)


@contextlib.contextmanager
def mail_server(engine: Engine, folder: Path) -> Iterator[Path]:
    """A real mail server in the engine's network; a Maildir of what arrived."""
    command = [sys.executable, "-m", "aiosmtpd", "--nosetuid", f"--listen={GATEWAY}:{MAIL_PORT}"]
    command += ["--class", "aiosmtpd.handlers.Mailbox", str(folder)]
    process = subprocess.Popen(engine.enter_network(*command), stdin=subprocess.DEVNULL)
    try:
        yield folder
    finally:
        process.terminate()
        process.wait()
