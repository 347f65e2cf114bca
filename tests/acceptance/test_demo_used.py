"""What the tutorial promises, carried out in one running demo: lose a table, lose the database, go back."""

import datetime
import json
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator

import psycopg
import pytest

from pgbackstop_catalog.records.restore import Restore
from pgbackstop_runner.demo import metrics
from tests.support import places, ports, terminal
from tests.support.demos import PROGRAM, Running, eventually, of, samples

pytestmark = [pytest.mark.slow]

# The how-to's words for foreign keys of other tables.
KEYS = """
    select format('alter table %s add constraint %I %s;',
                  conrelid::regclass, conname, pg_get_constraintdef(oid))
    from pg_constraint where confrelid = 'public.orders'::regclass
                         and conrelid <> confrelid and conparentid = 0
"""
CONTENT = """
    select max(id), count(*), md5(string_agg(o::text, '|' order by id)),
           (select count(*) from pg_constraint where contype = 'f')
    from orders as o where id <= %s
"""


class DemoUser:
    """A running demo and its shop, as somebody with a shell and a browser uses them."""

    def __init__(self, demo: Running) -> None:
        self.demo = demo
        self.folder = demo.folder
        self.place = demo.folder.parent
        state = json.loads((demo.folder / "state.json").read_text())
        self.port = state["ports"]["postgresql"]
        self.shop = re.findall(r"^Shop +(http\S+)/$", demo.output.read_text(), re.MULTILINE)[0]
        self.password = (demo.folder / "passwords" / "postgres").read_text().strip()

    def argv(self, *words: str) -> list[str]:
        return [str(PROGRAM), "-c", str(self.folder / "pgbackstop.yaml"), *words]

    def run(self, *words: str) -> str:
        """Runs pgbackstop, which must succeed; returns what it prints."""
        done = subprocess.run(self.argv(*words), capture_output=True, text=True, check=False, timeout=240)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def shell(self, command: str) -> str:
        """Runs a line that was printed, in a shell of a person who knows the password."""
        env = {"PGPASSWORD": self.password, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        done = subprocess.run(  # noqa: S602 - lines for a shell are what is tested
            command, shell=True, cwd=self.place, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    def connect(self, database: str = "shop") -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", dbname=database, password=self.password
        )

    def health(self) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"{self.shop}/health", timeout=30) as answer:  # noqa: S310 - found by "http"
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def orders(self) -> int:
        status, text = self.health()
        return int(json.loads(text)["orders"]) if status == 200 else -1

    def sells(self) -> None:
        """Waits until a new order is in: the shop works without anybody's help."""
        before = self.orders()
        assert before >= 0, self.health()
        eventually(lambda: self.orders() > before, "a new order")

    def restores(self) -> list[Restore]:
        paths = sorted((self.folder / "catalog" / "restores").rglob("*.json"), reverse=True)
        return [Restore.model_validate_json(path.read_bytes()) for path in paths]


@pytest.fixture
def user() -> Iterator[DemoUser]:
    place = places.make()
    try:
        with Running(place / "demo") as demo:
            yield DemoUser(demo)
    finally:
        places.remove(place)


@pytest.mark.timeout(900)  # a demo and four restores on a machine that may be busy
def test_the_shop_is_lost_and_restored(user: DemoUser) -> None:
    """One demo for all steps: each begins with the shop as the one before left it."""
    user.sells()
    application = user.demo.part("pgbackstop_runner.demo.shop_app").pid

    _a_lost_table_comes_back_as_it_was_the_moment_before(user)
    _the_recovery_was_told(user)
    _a_person_at_a_terminal_is_asked_where_nothing_is_said(user)
    _a_lost_database_comes_back_under_the_application(user)
    _a_restore_is_undone(user)
    _a_drill_moves_what_is_proven(user)

    assert user.demo.part("pgbackstop_runner.demo.shop_app").pid == application
    user.demo.process.send_signal(signal.SIGINT)
    assert user.demo.process.wait(timeout=120) == 0
    assert of(user.folder) == []


def _lose_the_orders(user: DemoUser) -> tuple[datetime.datetime, tuple[object, ...]]:
    """Drops the table; returns the moment before, and what was in it then."""
    with user.connect() as connection:
        connection.execute("lock table orders")  # whoever orders has committed, or waits for what is gone
        before = connection.execute(CONTENT, [2**62]).fetchone()
        moment = connection.execute("select clock_timestamp()").fetchone()
        connection.execute("drop table orders cascade")
    assert before is not None
    assert moment is not None
    assert isinstance(moment[0], datetime.datetime)
    return moment[0], before


def _a_lost_table_comes_back_as_it_was_the_moment_before(user: DemoUser) -> None:
    moment, before = _lose_the_orders(user)
    assert user.health()[0] == 503
    eventually(lambda: _window_end(user) > moment, "the WAL of the accident")
    into, port = user.place / "before", ports.free()
    told = user.run(
        "recover", "shop", "--time", moment.isoformat(), "--into", str(into), "--start", "--port", str(port)
    )
    lines = [line.strip() for line in told.splitlines()]
    connect = next(line for line in lines if "/psql" in line and line.endswith("-d postgres"))
    dump, load = (line for line in lines if "lost.sql" in line)
    stop = next(line for line in lines if "pg_ctl" in line)
    try:
        for line in (dump, load):
            user.shell(line.replace("DATABASE", "shop").replace("SCHEMA.TABLE", "public.orders"))
        query = KEYS.replace("\n", " ")
        user.shell(f'{connect.replace("-d postgres", "-d shop")} -At -c "{query}" -o keys.sql')
        user.shell(load.replace("DATABASE", "shop").replace("lost.sql", "keys.sql"))
    finally:
        user.shell(stop)
    with user.connect() as connection:
        assert connection.execute(CONTENT, [before[0]]).fetchone() == before
    user.sells()
    shutil.rmtree(into)


def _window_end(user: DemoUser) -> datetime.datetime:
    windows = json.loads(user.run("window", "shop", "--json"))
    return max(datetime.datetime.fromisoformat(each["end"]) for each in windows)


def _the_recovery_was_told(user: DemoUser) -> None:
    record = user.restores()[0]
    assert (record.what, record.status, record.target_kind) == ("recover", "succeeded", "time")
    found = re.findall(r"^Alertmanager +(http\S+)$", user.demo.output.read_text(), re.MULTILINE)
    for address in found:  # none where the machine has no Alertmanager
        with urllib.request.urlopen(f"{address}/api/v2/alerts", timeout=30) as answer:  # noqa: S310 - the same
            alerts = json.load(answer)
        names = {
            each["labels"]["alertname"] for each in alerts if each["labels"].get("backup_type") == "physical"
        }
        assert {"RestoreStarted", "RestoreFinished"} <= names


def _a_person_at_a_terminal_is_asked_where_nothing_is_said(user: DemoUser) -> None:
    refused = subprocess.run(
        user.argv("recover"), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert "→ Write: pgbackstop recover SERVER --into DIR, where SERVER is one of shop." in refused.stderr
    into = user.place / "asked"
    looked = terminal.run(user.argv("recover", "--dry-run"), types=f"\n{into}\nn\n")
    assert looked.returncode == 0, looked.stderr
    assert re.search(r"^Any moment from \S+Z to \S+Z can be reached\.$", looked.stdout, re.MULTILINE)
    assert f"Recover shop to latest, timeline 1, into {into}" in looked.stdout, looked.stdout
    refused = terminal.run(user.argv("recover"), types=f"\n{into}\nn\n\n")
    assert refused.returncode == 2
    assert "Nobody said yes; nothing was touched." in refused.stderr
    assert not into.exists()
    done = terminal.run(user.argv("recover"), types=f"\n{into}\nn\ny\n")
    assert done.returncode == 0, done.stderr
    assert (into / "RECOVER.md").exists()
    shutil.rmtree(into)


def _a_lost_database_comes_back_under_the_application(user: DemoUser) -> None:
    with user.connect("postgres") as connection:
        connection.autocommit = True
        connection.execute("drop database shop with (force)")
    status, text = user.health()
    assert (status, json.loads(text)["status"]) == (503, "no database")
    user.run("restore", "--database", "shop")
    record = user.restores()[0]
    assert [(hook.hook, hook.ok) for hook in record.hooks] == [("start", True), ("check", True)]
    assert all(check.ok for check in record.checks)
    user.sells()


def _a_restore_is_undone(user: DemoUser) -> None:
    with user.connect() as connection:
        connection.execute("update products set name = 'Only now' where id = 1")
    told = user.run("restore", "--database", "shop", "--yes-replace", "shop")
    record = user.restores()[0]
    hooks = [(hook.hook, hook.ok) for hook in record.hooks]
    assert hooks == [("stop", True), ("start", True), ("check", True)]
    assert record.downtime_seconds is not None
    assert _first_product(user) == "Product 1"
    user.sells()
    (undo,) = re.findall(r"restore --undo (\S+)", told)
    user.run("restore", "--undo", undo, "--yes-replace", "shop")
    assert _first_product(user) == "Only now"
    user.sells()


def _a_drill_moves_what_is_proven(user: DemoUser) -> None:
    before = _proven(user)
    assert "restored and checked" in user.run("drill", "shop-physical", "--physical")
    eventually(lambda: _proven(user) > before, "the proof in the metrics")


def _proven(user: DemoUser) -> float:
    found = metrics.value(samples(user.folder), "backup_proven_recoverable_timestamp_seconds", server="shop")
    return found or 0.0


def _first_product(user: DemoUser) -> object:
    with user.connect() as connection:
        ((name,),) = connection.execute("select name from products where id = 1").fetchall()
    return name
