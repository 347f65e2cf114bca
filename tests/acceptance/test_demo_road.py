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


class Road:
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
def road() -> Iterator[Road]:
    place = places.make()
    try:
        with Running(place / "demo") as demo:
            yield Road(demo)
    finally:
        places.remove(place)


@pytest.mark.timeout(900)  # a demo and four restores on a machine that may be busy
def test_the_road(road: Road) -> None:
    """One demo for all steps: each begins with the shop as the one before left it."""
    road.sells()
    application = road.demo.part("pgbackstop_runner.demo.shop_app").pid

    _a_lost_table_comes_back_as_it_was_the_moment_before(road)
    _the_recovery_was_told(road)
    _a_person_at_a_terminal_is_asked_where_nothing_is_said(road)
    _a_lost_database_comes_back_under_the_application(road)
    _a_restore_is_undone(road)
    _a_drill_moves_what_is_proven(road)

    assert road.demo.part("pgbackstop_runner.demo.shop_app").pid == application
    road.demo.process.send_signal(signal.SIGINT)
    assert road.demo.process.wait(timeout=60) == 0
    assert of(road.folder) == []


def _lose_the_orders(road: Road) -> tuple[datetime.datetime, tuple[object, ...]]:
    """Drops the table; returns the moment before, and what was in it then."""
    with road.connect() as connection:
        connection.execute("lock table orders")  # whoever orders has committed, or waits for what is gone
        before = connection.execute(CONTENT, [2**62]).fetchone()
        moment = connection.execute("select clock_timestamp()").fetchone()
        connection.execute("drop table orders cascade")
    assert before is not None
    assert moment is not None
    assert isinstance(moment[0], datetime.datetime)
    return moment[0], before


def _a_lost_table_comes_back_as_it_was_the_moment_before(road: Road) -> None:
    moment, before = _lose_the_orders(road)
    assert road.health()[0] == 503
    eventually(lambda: _window_end(road) > moment, "the WAL of the accident")
    into, port = road.place / "before", ports.free()
    told = road.run(
        "recover", "shop", "--time", moment.isoformat(), "--into", str(into), "--start", "--port", str(port)
    )
    lines = [line.strip() for line in told.splitlines()]
    connect = next(line for line in lines if "/psql" in line and line.endswith("-d postgres"))
    dump, load = (line for line in lines if "lost.sql" in line)
    stop = next(line for line in lines if "pg_ctl" in line)
    try:
        for line in (dump, load):
            road.shell(line.replace("DATABASE", "shop").replace("SCHEMA.TABLE", "public.orders"))
        query = KEYS.replace("\n", " ")
        road.shell(f'{connect.replace("-d postgres", "-d shop")} -At -c "{query}" -o keys.sql')
        road.shell(load.replace("DATABASE", "shop").replace("lost.sql", "keys.sql"))
    finally:
        road.shell(stop)
    with road.connect() as connection:
        assert connection.execute(CONTENT, [before[0]]).fetchone() == before
    road.sells()
    shutil.rmtree(into)


def _window_end(road: Road) -> datetime.datetime:
    windows = json.loads(road.run("window", "shop", "--json"))
    return max(datetime.datetime.fromisoformat(each["end"]) for each in windows)


def _the_recovery_was_told(road: Road) -> None:
    record = road.restores()[0]
    assert (record.what, record.status, record.target_kind) == ("recover", "succeeded", "time")
    found = re.findall(r"^Alertmanager +(http\S+)$", road.demo.output.read_text(), re.MULTILINE)
    for address in found:  # none where the machine has no Alertmanager
        with urllib.request.urlopen(f"{address}/api/v2/alerts", timeout=30) as answer:  # noqa: S310 - the same
            alerts = json.load(answer)
        names = {
            each["labels"]["alertname"] for each in alerts if each["labels"].get("backup_type") == "physical"
        }
        assert {"RestoreStarted", "RestoreFinished"} <= names


def _a_person_at_a_terminal_is_asked_where_nothing_is_said(road: Road) -> None:
    refused = subprocess.run(
        road.argv("recover"), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert "→ Write: pgbackstop recover SERVER --into DIR, where SERVER is one of shop." in refused.stderr
    into = road.place / "asked"
    looked = terminal.run(road.argv("recover", "--dry-run"), types=f"\n{into}\nn\n")
    assert looked.returncode == 0, looked.stderr
    assert re.search(r"^Any moment from \S+Z to \S+Z can be reached\.$", looked.stdout, re.MULTILINE)
    assert f"Recover shop to latest, timeline 1, into {into}" in looked.stdout, looked.stdout
    refused = terminal.run(road.argv("recover"), types=f"\n{into}\nn\n\n")
    assert refused.returncode == 2
    assert "Nobody said yes; nothing was touched." in refused.stderr
    assert not into.exists()
    done = terminal.run(road.argv("recover"), types=f"\n{into}\nn\ny\n")
    assert done.returncode == 0, done.stderr
    assert (into / "RECOVER.md").exists()
    shutil.rmtree(into)


def _a_lost_database_comes_back_under_the_application(road: Road) -> None:
    with road.connect("postgres") as connection:
        connection.autocommit = True
        connection.execute("drop database shop with (force)")
    status, text = road.health()
    assert (status, json.loads(text)["status"]) == (503, "no database")
    road.run("restore", "--database", "shop")
    record = road.restores()[0]
    assert [(hook.hook, hook.ok) for hook in record.hooks] == [("start", True), ("check", True)]
    assert all(check.ok for check in record.checks)
    road.sells()


def _a_restore_is_undone(road: Road) -> None:
    with road.connect() as connection:
        connection.execute("update products set name = 'Only now' where id = 1")
    told = road.run("restore", "--database", "shop", "--yes-replace", "shop")
    record = road.restores()[0]
    hooks = [(hook.hook, hook.ok) for hook in record.hooks]
    assert hooks == [("stop", True), ("start", True), ("check", True)]
    assert record.downtime_seconds is not None
    assert _first_product(road) == "Product 1"
    road.sells()
    (undo,) = re.findall(r"restore --undo (\S+)", told)
    road.run("restore", "--undo", undo, "--yes-replace", "shop")
    assert _first_product(road) == "Only now"
    road.sells()


def _a_drill_moves_what_is_proven(road: Road) -> None:
    before = _proven(road)
    assert "restored and checked" in road.run("drill", "shop-physical", "--physical")
    eventually(lambda: _proven(road) > before, "the proof in the metrics")


def _proven(road: Road) -> float:
    found = metrics.value(samples(road.folder), "backup_proven_recoverable_timestamp_seconds", server="shop")
    return found or 0.0


def _first_product(road: Road) -> object:
    with road.connect() as connection:
        ((name,),) = connection.execute("select name from products where id = 1").fetchall()
    return name
