"""The stack as a user starts it: the unmodified compose file on a real engine, with only .env filled.

One test, because an engine, its images and a running stack take a minute: the story is told in its order.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.engine import EngineError, wait_for
from tests.stack.running import LONG_RUNNING, PATIENCE, Stack, prepared

pytestmark = [pytest.mark.slow, pytest.mark.docker, pytest.mark.timeout(900)]

SHOP = "http://127.0.0.1:8000"
# Prints the status, and the page behind it.
LOGIN = """
import http.client, sys, urllib.parse
line = http.client.HTTPConnection("127.0.0.1", 9854, timeout=60)
form = urllib.parse.urlencode({"name": "admin", "password": sys.argv[1]})
line.request("POST", "/login", form, {"Content-Type": "application/x-www-form-urlencoded"})
answer = line.getresponse()
answer.read()
line.request("GET", "/", headers={"Cookie": answer.getheader("Set-Cookie", "").partition(";")[0]})
print(answer.status, line.getresponse().read().decode())
"""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with prepared(tmp_path) as made:
        yield made


def test_the_stack_as_a_user_has_it(stack: Stack) -> None:
    it_refuses_to_start_without_a_server(stack)
    stack.up()
    assert set(stack.health()) == LONG_RUNNING | {"setup"}
    nothing_secret_is_in_what_docker_shows(stack)
    a_backup_is_made_and_measured(stack)
    the_console_lets_its_admin_in(stack)
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
    names = ("postgres.password", "restore.password", "shop.token", "console.password")
    files = [f"/etc/pgbackstop/{name}" for name in names]
    passwords = stack.compose("exec", "--no-TTY", "runner", "cat", *files)
    passwords += stack.compose("exec", "--no-TTY", "demo-shop", "cat", "/run/demo-shop/shop.password")
    logs = stack.compose("logs", "--no-color")
    assert len(passwords) == 5 * 32
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


def the_console_lets_its_admin_in(stack: Stack) -> None:
    password = stack.compose("exec", "--no-TTY", "runner", "cat", "/etc/pgbackstop/console.password")
    login = stack.engine.enter_network(sys.executable, "-c", LOGIN)
    assert stack.engine.run(*login, "another one").startswith("403")
    answer = stack.engine.run(*login, password)
    assert answer.startswith("303")
    assert "shop-physical" in answer


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
