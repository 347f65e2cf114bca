"""The stack as a user starts it: the unmodified compose file on a real engine, with only .env filled.

One test, because an engine, its images and a running stack take a minute: the story is told in its order.
"""

import contextlib
import email
import email.policy
import json
import shutil
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator, Mapping
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.stack import stand_ins
from tests.stack.engine import GATEWAY, Compose, Engine, EngineError, compose_program, wait_for
from tests.support import install_stack

pytestmark = [pytest.mark.slow, pytest.mark.docker, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
COPIED = (
    "alerts", "catalog", "compose", "dashboards", "exporter", "requirements", "runner",
    ".dockerignore", "compose.yaml", "LICENSE", "pyproject.toml", "README.md",
)  # fmt: skip
MAIL_PORT = 8025
SHOP = "http://127.0.0.1:8000"
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
        self.compose(
            "up", "--detach", "--wait", "--no-build", "--pull=never", "--scale=grafana=0", timeout=600
        )

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
        asked = urllib.parse.urlencode({"query": expression})
        answer = json.loads(self.engine.get(f"http://127.0.0.1:9090/api/v1/query?{asked}"))
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


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Images built, .env written, nothing started."""
    reason = install_stack.impossible()
    if reason is not None:
        pytest.skip(reason)
    if not install_stack.is_current():
        pytest.skip("the base of the images is not prepared: run python -m tests.support.install_stack")
    compose_program()
    project = tmp_path / "pgbackstop"
    copy_project(project)
    with Engine() as engine, mail_server(engine, tmp_path / "mail") as mail:
        made = Stack(engine, project, mail)
        stand_ins.build(engine, stand_ins.wanted(project))
        shutil.copy(project / "compose" / "demo.env", project / ".env")
        made.write(
            ".env",
            {
                "ALERT_EMAIL_TO": "dba@shop.example",
                "ALERT_EMAIL_FROM": "pgbackstop@shop.example",
                "ALERT_SMTP_SERVER": f"{GATEWAY}:{MAIL_PORT}",
                "ALERT_SMTP_REQUIRE_TLS": "false",
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


def test_the_stack_as_a_user_has_it(stack: Stack) -> None:
    it_refuses_to_start_without_a_server(stack)
    stack.up()
    assert set(stack.health()) == LONG_RUNNING | {"setup"}
    nothing_secret_is_in_what_docker_shows(stack)
    a_backup_is_made_and_measured(stack)
    the_shop_is_restored_while_it_is_open(stack)
    the_shop_comes_back_with_its_database(stack)
    a_wrong_password_is_said_and_told(stack)
    a_changed_setting_arrives(stack)
    it_survives(stack)
    it_goes_without_a_trace(stack)


def it_refuses_to_start_without_a_server(stack: Stack) -> None:
    with pytest.raises(EngineError, match=r"POSTGRES_HOST is missing a value: set it in \.env"):
        stack.compose("--env-file=/dev/null", "config")
    stack.write("other.env", {"POSTGRES_HOST": "db.example"})
    with pytest.raises(EngineError, match="POSTGRES_PASSWORD_FILE names no file, or an empty one: write"):
        stack.compose("--env-file=other.env", "run", "--rm", "--no-TTY", "setup")


def nothing_secret_is_in_what_docker_shows(stack: Stack) -> None:
    shown = stack.engine.run(
        "docker", "inspect", *stack.engine.run("docker", "ps", "--all", "--quiet").split()
    )
    files = [f"/etc/pgbackstop/{name}" for name in ("postgres.password", "restore.password", "shop.token")]
    passwords = stack.compose("exec", "--no-TTY", "runner", "cat", *files)
    passwords += stack.compose("exec", "--no-TTY", "demo-shop", "cat", "/run/demo-shop/shop.password")
    logs = stack.compose("logs", "--no-color")
    assert len(passwords) == 4 * 32
    for password in (passwords[at : at + 32] for at in range(0, len(passwords), 32)):
        assert len(password.strip()) == 32
        assert password not in shown
        assert password not in logs
    for container in json.loads(shown):
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"], container["Name"]
        assert host["CapDrop"] == ["ALL"], container["Name"]
        assert not host["Privileged"], container["Name"]
        assert container["Config"]["User"].split(":")[0] not in {"", "0", "root"}, container["Name"]


def a_backup_is_made_and_measured(stack: Stack) -> None:
    stack.runner("check")
    stack.runner("backup", "shop-logical")
    stack.runner("backup", "shop-physical")
    wait_for("the backups in Prometheus", lambda: backed_up(stack) >= {"shop", ""}, PATIENCE)
    wait_for("every target up", lambda: {one["value"][1] for one in stack.query("up")} == {"1"}, PATIENCE)
    assert len(stack.query("up")) == 4
    assert stack.query("pg_up")[0]["value"][1] == "1"
    assert stack.query("disk_free_bytes")
    stack.runner("notify", "test")
    wait_for("the test's mail", lambda: stack.has_mail("test"), PATIENCE)


def the_shop_is_restored_while_it_is_open(stack: Stack) -> None:
    """Somebody deletes all orders; customers do not stop ordering."""
    assert "orders so far" in stack.engine.get(SHOP)
    assert stack.engine.post(f"{SHOP}/maintenance/stop") == 401  # for who has no token
    before = orders(stack)
    assert before >= 100_000
    stack.sql("truncate orders cascade", database="shop")
    assert orders(stack) < before
    done = json.loads(stack.runner("restore", "latest", "--database=shop", "--yes-replace=shop", "--json"))
    assert [(each["hook"], each["ok"]) for each in done["hooks"]] == [
        ("stop", True), ("start", True), ("check", True),
    ]  # fmt: skip
    restored = orders(stack)
    assert restored >= 100_000
    wait_for("the next order", lambda: orders(stack) > restored, PATIENCE)


def the_shop_comes_back_with_its_database(stack: Stack) -> None:
    before = started_at(stack, "demo-shop")
    stack.compose("stop", "demo-postgres")
    wait_for("a closed shop", lambda: stack.engine.post(f"{SHOP}/orders") == 503, PATIENCE)
    stack.compose("start", "demo-postgres")
    wait_for("an open shop", lambda: stack.engine.post(f"{SHOP}/orders") == 201, PATIENCE)
    assert started_at(stack, "demo-shop") == before  # by itself


def orders(stack: Stack) -> int:
    """How many there are, as the shop says. Raises EngineError where it cannot."""
    return int(json.loads(stack.engine.get(f"{SHOP}/health"))["orders"])


def backed_up(stack: Stack) -> set[str]:
    """The databases with a good backup, as Prometheus knows; the whole server has an empty name."""
    return {each["metric"].get("database", "") for each in stack.query("backup_last_success_time > 0")}


def a_wrong_password_is_said_and_told(stack: Stack) -> None:
    stack.sql("ALTER ROLE pgbackstop PASSWORD 'another'")
    for command in (("check",), ("backup", "shop-physical")):
        with pytest.raises(EngineError, match="refuses the password of role pgbackstop"):
            stack.runner(*command)
    wait_for("BackupFailed", lambda: "BackupFailed" in stack.alerts(), PATIENCE)
    wait_for("the mail", lambda: stack.has_mail("shop-physical"), PATIENCE)
    wait_for("an unhealthy runner", lambda: stack.health()["runner"] == "unhealthy", PATIENCE)
    password = stack.compose("exec", "--no-TTY", "runner", "cat", "/etc/pgbackstop/postgres.password")
    stack.sql(f"ALTER ROLE pgbackstop PASSWORD '{password}'")
    stack.runner("backup", "shop-physical")
    wait_for("a healthy runner", stack.is_healthy, PATIENCE)


def a_changed_setting_arrives(stack: Stack) -> None:
    """What setup writes anew is read anew, although nothing else of the containers has changed."""
    before = started_at(stack)
    stack.write(".env", {"ALERT_EMAIL_TO": "night@shop.example"})
    stack.up()
    assert started_at(stack) > before
    status = json.loads(stack.engine.get("http://127.0.0.1:9093/api/v2/status"))
    assert "night@shop.example" in status["config"]["original"]


def started_at(stack: Stack, service: str = "runner") -> str:
    """When its container was started last; in UTC, so that it sorts."""
    return stack.engine.run("docker", "inspect", "--format={{.State.StartedAt}}", f"pgbackstop-{service}-1")


def it_survives(stack: Stack) -> None:
    before = {each for each in backups(stack) if each[1] != "running"}  # a schedule may be due just now
    stack.compose("restart")
    wait_for("health after a restart", stack.is_healthy, PATIENCE)
    assert before <= backups(stack)
    # By the engine itself it would count as stopped on purpose; so its first process is killed.
    pid = stack.engine.run("docker", "inspect", "--format={{.State.Pid}}", "pgbackstop-runner-1").strip()
    stack.engine.run("nsenter", *stack.engine.pid_namespace, "kill", "-KILL", pid)
    wait_for("another start", lambda: restarts(stack) == 1, PATIENCE)
    wait_for("health after a kill", stack.is_healthy, PATIENCE)


def backups(stack: Stack) -> set[tuple[str, str]]:
    """The backups on record, with how each ended."""
    return {(each["id"], each["status"]) for each in json.loads(stack.runner("list", "--json"))}


def restarts(stack: Stack) -> int:
    return int(stack.engine.run("docker", "inspect", "--format={{.RestartCount}}", "pgbackstop-runner-1"))


def it_goes_without_a_trace(stack: Stack) -> None:
    stack.compose("down", "--volumes")
    for listing in (("ps", "--all"), ("volume", "ls"), ("network", "ls", "--filter=name=pgbackstop")):
        assert stack.engine.run("docker", *listing, "--quiet") == ""
