"""The stack with a PostgreSQL that was there before, and what is read in three channels of what goes wrong.

A backup is deleted, the disk filled, PostgreSQL stopped, all at once, which is the bad night that it might be
anyway. The rules wait half a minute here, not five: how long they wait is proven in tests/alerts, and what is
proven here is the way from there to people.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
import yaml

from tests.dashboards.documents import ASKED, PlacedQuery, interpolate
from tests.stack import chat, external_server, stand_ins
from tests.stack.engine import GATEWAY, Engine, EngineError, wait_for
from tests.stack.external_server import ExternalServer
from tests.stack.running import PATIENCE, Stack, prepared
from tests.support.certificates import Authority
from tests.support.fixtures import MakeServer

pytestmark = [pytest.mark.slow, pytest.mark.docker, pytest.mark.timeout(1500)]

UID = 10001  # of the stack's user
# A storage keeps 1 GB in reserve, which a disk in memory can promise, and need not have while nobody writes.
ROOMY, SMALL = "1500m", "200m"
STORE = "/var/lib/pgbackstop"
# What Grafana puts in place of its variables with a scrape each 15 seconds.
INTERVALS = {"$__rate_interval": "1m", "$__interval": "15s", "$__range": "1h"}
# Copies, restores, drills, a failure that there was room to put on record, a backup that runs just now, what
# fires, and a Prometheus of some days.
OF_WHAT_DID_NOT_HAPPEN = {
    *(f"Attempts and backups / {name}" for name in "BKLM"),
    *(f"Copies by storage / {name}" for name in "ABCDEF"),
    *(f"Every plan / {name}" for name in "BL"),
    "Failed tries to copy / A",
    "Free space / B",
    *(f"Hosts of workers / {name}" for name in "AB"),
    *(f"Lists of servers / {name}" for name in "ABC"),
    *(f"Measured time to restore / {name}" for name in "AC"),
    *(f"Not well / {name}" for name in "ABCD"),
    "Plans that were not well / A",
    "Proof of the limit / A",
    *(f"Queues / {name}" for name in "ABCD"),
    "Restored in / A",
    *(f"To which second can each server be restored? / {name}" for name in "GK"),
    *(f"WAL in other storages / {name}" for name in "ABCDEFGHIJK"),
    *(f"What fires / {name}" for name in "AB"),
    *(f"What is proven of every plan / {name}" for name in "ACE"),
    "Written by the running backup / B",
    "annotations / Critical alerts begin",
    *(
        f"annotations / {name}"
        for name in ("Drills", "Failed drills", "Failed restores", "Failures", "Restores")
    ),
}
TOLD = 600.0  # seconds; it takes two minutes, of what Prometheus and Alertmanager wait
CHANNELS = ("email", "slack", "telegram")


class Channels:
    """What has arrived in each."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder

    def messages(self, channel: str) -> list[str]:
        if channel == "email":
            return [f"{mail['Subject']}\n{_text(mail)}" for mail in self._stack.mails()]
        return [path.read_text() for path in sorted(self._folder.glob(f"{channel}-*"))]

    def have(self, *words: str) -> bool:
        """Whether each has a message with all the words."""
        return all(
            any(all(word in message for word in words) for message in self.messages(channel))
            for channel in CHANNELS
        )


def _text(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def stack(tmp_path: Path, authority: Authority) -> Iterator[Stack]:
    """With three channels, and backups on a small disk; nothing started."""
    with prepared(tmp_path, host=GATEWAY) as made:
        disk = tmp_path / "disk"
        disk.mkdir()
        mount(made.engine, disk, f"size={ROOMY}")
        secrets = made.folder / "secrets"
        secrets.mkdir()
        (secrets / "postgres.password").write_text(f"{external_server.PASSWORD}\n")
        (secrets / "slack.url").write_text(f"http://{GATEWAY}:{chat.SLACK_PORT}/services/T0/B0/secret\n")
        (secrets / "telegram.token").write_text(f"{chat.TOKEN}\n")
        made.write(
            ".env",
            {
                "BACKUPS": str(disk),
                "ALERT_SLACK_URL_FILE": "./secrets/slack.url",
                "ALERT_TELEGRAM_TOKEN_FILE": "./secrets/telegram.token",
                "ALERT_TELEGRAM_CHAT_ID": chat.CHAT,
            },
        )
        shutil.copy(authority.file, made.folder / "ca.pem")
        let_rules_wait_less(made.folder / "alerts" / "pgbackstop.rules.yml")
        (made.folder / "compose.override.yaml").write_text(yaml.safe_dump(with_another_telegram()))
        yield made


def let_rules_wait_less(rules: Path) -> None:
    text = rules.read_text()
    assert "for: 5m\n" in text
    rules.write_text(text.replace(" for: 5m\n", " for: 30s\n"))


def with_another_telegram() -> dict[str, object]:
    """To where its name leads, and whose certificate is trusted."""
    service = {
        "extra_hosts": [f"api.telegram.org:{GATEWAY}"],
        "environment": {"SSL_CERT_FILE": "/ca.pem"},
        "volumes": ["./ca.pem:/ca.pem:ro"],
    }
    return {"services": {"alertmanager": service, "runner": service}}


def mount(engine: Engine, folder: Path, options: str) -> None:
    """A file system in memory that only the engine sees, and that ends with it."""
    options = f"{options},uid={UID},gid={UID},mode=0750"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    engine.run("nsenter", *engine.mount_namespace, *command)


@pytest.fixture
def channels(stack: Stack, authority: Authority, tmp_path: Path) -> Iterator[Channels]:
    folder = tmp_path / "chat"
    folder.mkdir()
    certificate, key = authority.issue("telegram", "api.telegram.org")
    command = [sys.executable, chat.__file__, str(folder), GATEWAY, str(certificate), str(key)]
    process = subprocess.Popen(stack.engine.enter_network(*command), stdin=subprocess.DEVNULL)
    try:
        yield Channels(stack, folder)
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def server(stack: Stack, make_server: MakeServer) -> Iterator[ExternalServer]:
    with ExternalServer.running(stack.engine, make_server(stand_ins.MAJOR)) as found:
        yield found


def test_three_incidents_are_read_in_three_channels(
    stack: Stack, server: ExternalServer, channels: Channels, tmp_path: Path
) -> None:
    stack.up()
    stack.runner("check")
    for plan in ("main-logical", "main-physical", "main-logical"):
        stack.runner("backup", plan)
    stack.runner("notify", "test")
    wait_for("the test in three channels", lambda: channels.have("test"), PATIENCE)

    delete_a_backup(stack)
    fill_the_disk(stack, tmp_path / "disk")
    with pytest.raises(EngineError, match="No space left on device"):
        stack.runner("backup", "main-logical")
    server.stop()

    wait_for("the full disk told", lambda: channels.have(f"of the disk at {STORE} of exporter:"), TOLD)
    wait_for("the lost backup told", lambda: channels.have("gone from their storage"), TOLD)
    wait_for("the stopped server told", lambda: channels.have("PostgreSQL server", "does not answer"), TOLD)

    make_room(stack, tmp_path / "disk")
    server.start()
    with pytest.raises(EngineError, match="folder is not there"):
        stack.runner("verify", "--all")
    wait_for("the server's return told", lambda: channels.have("RESOLVED: PostgreSQL server"), PATIENCE)
    every_panel_is_answered(stack)
    stack.compose("down", "--volumes")


def every_panel_is_answered(stack: Stack) -> None:
    empty = {asked for asked in ASKED if not ask(stack, asked)}
    assert {f"{asked.panel} / {asked.name}" for asked in empty} <= OF_WHAT_DID_NOT_HAPPEN


def ask(stack: Stack, asked: PlacedQuery) -> list[dict[str, object]]:
    """As Grafana does. Raises EngineError where Prometheus does not understand."""
    expr = asked.expr
    for name, value in INTERVALS.items():
        expr = expr.replace(name, value)
    if not asked.is_range:
        return stack.query(interpolate(expr))
    return stack.query_range(interpolate(expr), seconds=3600, step=15)


def delete_a_backup(stack: Stack) -> None:
    """As somebody would who makes room: the oldest."""
    kept = [each for each in json.loads(stack.runner("list", "--json")) if each["database"] == "shop"]
    oldest = min(kept, key=lambda each: str(each["id"]))
    stack.compose("exec", "--no-TTY", "runner", "rm", "-r", f"{STORE}/{oldest['location']}")


def fill_the_disk(stack: Stack, disk: Path) -> None:
    mount(stack.engine, disk, f"remount,size={SMALL}")
    with pytest.raises(EngineError, match="No space left on device"):
        stack.compose("exec", "--no-TTY", "runner", "dd", "if=/dev/zero", f"of={STORE}/filling", "bs=1M")


def make_room(stack: Stack, disk: Path) -> None:
    mount(stack.engine, disk, f"remount,size={ROOMY}")
    stack.compose("exec", "--no-TTY", "runner", "rm", f"{STORE}/filling")
