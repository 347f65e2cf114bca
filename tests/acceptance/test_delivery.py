"""Alerts reach people: each fault on each channel, in words that help, and its end too.

Intervals are of one second; those that are shipped are in test_delivery_default.
"""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

import pytest

from pgbackstop_catalog.store import layout
from pgbackstop_runner.notify import alertmanager
from tests.acceptance import delivery_stack, receivers
from tests.acceptance.receivers import Inbox, Receivers
from tests.integration.exporter.running import Exporter
from tests.support import databases, ports
from tests.support.backups import Site, plan
from tests.support.databases import Database
from tests.support.servers import Server

DASHBOARD = "https://grafana.example/d/pgbackstop-backup-plan?var-server=main&var-plan={plan}"
TINY = "tiny"  # the folder of the storage that fills up


@dataclass(kw_only=True)
class Stack:
    """Everything between a backup and a person."""

    site: Site
    post: Receivers
    exporter_port: int
    running: ExitStack

    @property
    def inbox(self) -> Inbox:
        return self.post.inbox

    def start_exporter(self) -> None:
        flag = f"--web.listen-address=127.0.0.1:{self.exporter_port}"
        self.running.enter_context(Exporter(self.site.file, flag))


@pytest.fixture(scope="module")
def shop(pg17: Server) -> Iterator[Database]:
    made = databases.clone(pg17)
    yield made
    made.drop()


@pytest.fixture(scope="module")
def stack(pg17: Server, shop: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("delivery")
    plans = {
        "aged": plan(databases=[shop.name]),
        "failing": plan(databases=["not-there-yet"]),
        "other": plan(databases=[shop.name]),
    }
    site = Site(folder=folder, server=pg17, plans=plans)
    for name in ("aged", "other"):
        site.make(name)
    port = ports.free()
    with ExitStack() as ending:
        post = ending.enter_context(receivers.running(folder))
        delivery_stack.change(
            site,
            storages={TINY: {"kind": "folder", "path": str(folder / TINY), "reserve": 0}},
            notifications={
                **post.settings(),
                "alertmanager": {"url": f"http://127.0.0.1:{port}"},
                "group_wait": "1s",
                "group_interval": "1s",
            },
        )
        assert site.run("storage", "create", TINY).returncode == 0
        config = folder / "alertmanager.yml"
        written = site.run("notify", "config", "--output", str(config))
        assert written.returncode == 0, written.stderr
        ending.enter_context(delivery_stack.alertmanager(folder, config, port))
        made = Stack(
            site=site,
            post=post,
            exporter_port=ports.free(),
            running=ending.enter_context(ExitStack()),
        )
        made.start_exporter()
        scraped = delivery_stack.prometheus(
            folder,
            exporter=f"127.0.0.1:{made.exporter_port}",
            alertmanager_port=port,
            rules=delivery_stack.quick_rules(folder),
            scrape="1s",
            evaluate="1s",
        )
        ending.enter_context(scraped)
        yield made


def _alerts(stack: Stack) -> dict[str, str]:
    """The state of each alert that Alertmanager has, by name."""
    settings = stack.site.workspace.config.notifications.alertmanager
    assert settings is not None
    return {each["labels"]["alertname"]: each["status"]["state"] for each in alertmanager.alerts(settings)}


def test_an_aged_backup(stack: Stack) -> None:
    record = stack.site.newest("aged")
    ages = timedelta(days=3)
    assert record.finished_at is not None
    stack.site.catalog.put(
        record.evolve(started_at=record.started_at - ages, finished_at=record.finished_at - ages)
    )
    subject = f"No backup of database {record.database} of server main (plan aged) for 3d"
    for message in stack.inbox.on_each("CRITICAL", subject):
        assert "Since 20" in message.text.replace("Since      ", "Since ")
        assert "the plan's limit is 1d 1h" in " ".join(message.text.split())
        assert "alerts/runbooks/BackupTooOld.md" in message.text
        assert DASHBOARD.format(plan="aged") in message.text.replace("&amp;", "&")
    stack.site.made("aged")
    stack.inbox.on_each("RESOLVED", subject)


def test_a_failed_backup(stack: Stack, pg17: Server) -> None:
    failed = stack.site.run("backup", "failing")
    assert failed.returncode != 0
    summary = "(plan failing) failed: "
    for message in stack.inbox.on_each("WARNING", summary):
        words = " ".join(message.text.split())
        assert "'pgbackstop backup failing'" in words
        assert "'pgbackstop show 20" in words
        assert DASHBOARD.format(plan="failing") in words.replace("&amp;", "&")
        assert "alerts/runbooks/BackupFailed.md" in message.text
    # The same found by Prometheus is not told a second time.
    receivers.until(lambda: "BackupFailed" in _alerts(stack), "Prometheus finds it too")
    receivers.until(lambda: _alerts(stack).get("BackupFailed") == "suppressed", "it is inhibited")
    pg17.execute('create database "not-there-yet"')
    try:
        stack.site.made("failing")
        stack.inbox.on_each("RESOLVED", "not-there-yet")
        stack.inbox.on_each("INFO", "Backed up database not-there-yet on main (plan failing)")
    finally:
        pg17.execute('drop database "not-there-yet" with (force)')
    receivers.until(lambda: "BackupFailed" not in _alerts(stack), "Prometheus finds it mended")
    assert not [each for each in stack.inbox.messages if "The last backup of" in each.words]


@pytest.mark.root
def test_a_full_disk(stack: Stack) -> None:
    folder = stack.site.folder / TINY
    mark = (folder / layout.STORAGE_MARK).read_bytes()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.strip()}")
    try:
        (folder / layout.STORAGE_MARK).write_bytes(mark)
        (folder / "filler").write_bytes(bytes(7_800_000))
        for message in stack.inbox.on_each("CRITICAL", f"of the disk at {folder} of 127.0.0.1:"):
            assert "alerts/runbooks/BackupDiskSpaceLow.md" in message.text
            assert "are left" in message.text
        (folder / "filler").unlink()
        stack.inbox.on_each("RESOLVED", f"of the disk at {folder} of 127.0.0.1:")
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_stopped_exporter(stack: Stack) -> None:
    stack.running.close()
    where = f"127.0.0.1:{stack.exporter_port}"
    for message in stack.inbox.on_each("CRITICAL", f"The exporter of pgbackstop at {where} does not answer"):
        assert "alerts/runbooks/BackupExporterDown.md" in message.text
    stack.start_exporter()
    stack.inbox.on_each("RESOLVED", f"The exporter of pgbackstop at {where} does not answer")


def test_the_dead_mans_switch_is_called_and_nobody_else_hears_of_it(stack: Stack) -> None:
    receivers.until(lambda: stack.inbox.pings, "a call")
    assert stack.inbox.pings[0]["alerts"][0]["labels"]["alertname"] == "Watchdog"
    assert not [each for each in stack.inbox.messages if "Watchdog" in each.words]


def test_mail_has_both_parts(stack: Stack) -> None:
    tested = stack.site.run("notify", "test", "--channel", "email")
    assert (tested.returncode, tested.stdout) == (0, "email: arrived: the mail server took it\n"), (
        tested.stderr
    )
    message = stack.inbox.find("email", "pgbackstop: a test notification")
    assert message is not None
    assert message.title == "INFO: pgbackstop: a test notification"
    assert "<b>pgbackstop: a test notification</b>" in message.html
    assert '<a href="https://grafana.example/d/pgbackstop-backup-status">Dashboard</a>' in message.html
    assert "there is nothing to do" in message.text
