"""WAL of a server by two hosts: another one goes on where its host died or froze, and nothing is missing."""

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import psutil
import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions.wal_segments import WalState
from pgbackstop_catalog.store import wal_index
from pgbackstop_catalog.store.postgres import schema
from pgbackstop_runner.fleet import wal_leases
from pgbackstop_runner.system.state_folder import StateFolder
from pgbackstop_runner.wal import state as wal_state
from tests.integration.daemon.attempts import SELDOM
from tests.integration.daemon.conftest import DEADLINE, until
from tests.integration.fleet.conftest import Fleet, Host
from tests.support import backups, forks
from tests.support.databases import Database
from tests.support.fixtures import MakeServer
from tests.support.servers import Server

SEGMENT_BYTES = 2**20  # so that what a frozen process has in its sockets is a good part of one
PER_LOG = 2**32 // SEGMENT_BYTES


@dataclass(frozen=True, kw_only=True)
class Archived:
    """A server whose WAL the hosts of a fleet receive into one archive."""

    fleet: Fleet
    server: Server

    @property
    def archive(self) -> Path:
        return self.fleet.folder / "store" / "backups" / "wal_archive" / "main"

    @property
    def names(self) -> list[str]:
        """The archived segments."""
        entries = wal_index.Index(self.archive).refresh()
        return sorted(name for name, each in entries.items() if each.is_segment)

    @property
    def contents(self) -> dict[str, tuple[int, int, int]]:
        """Every file of the archive but those that a pg_receivewal may have open."""
        files = (each for each in self.archive.rglob("*") if each.is_file())
        return {
            str(each): (each.stat().st_ino, each.stat().st_size, each.stat().st_mtime_ns)
            for each in files
            if each.parent.name not in {"receiving", "aside"}
        }

    @property
    def holder(self) -> int:
        """The pid of the worker that has the lease; 0 where none has."""
        rows = self.fleet.rows(
            "select worker from pgbackstop.wal_lease where expires_at > now() and worker <> ''"
        )
        return int(rows[0][0].split(":")[1]) if rows else 0

    def known_to(self, host: str) -> WalState | None:
        return wal_state.read(StateFolder(self.fleet.folder / f"state-{host}").wal("main"))

    def streams(self, receiver: Host, *, known_to: str) -> bool:
        """Whether a host knows that the receiver of one, perhaps of another one, streams."""
        state = self.known_to(known_to)
        pids = [each.pid for each in receiver.children()]
        return state is not None and state.status == "streaming" and state.pid in pids

    def wait_for_segments(self, count: int) -> None:
        before = len(self.names)
        until(lambda: len(self.names) >= before + count, f"{count} segments are archived")

    def settled(self) -> str:
        """Complete the segment that is written, and wait until it is archived; returns its name."""
        name = str(self.server.execute("select pg_walfile_name(pg_switch_wal() - 1)")[0][0])
        until(lambda: name in self.names, f"{name} is archived")
        return name

    @contextlib.contextmanager
    def written(self) -> Iterator[None]:
        """Somebody writes all the time."""
        over = threading.Event()

        def write() -> None:
            with self.server.connect() as connection:
                connection.execute("create table if not exists filler (a int, b text)")
                while not over.wait(0.1):
                    connection.execute(
                        "insert into filler select g, md5(g::text) from generate_series(1, 1000) g"
                    )

        thread = threading.Thread(target=write)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def wait_for_writes(self, count: int) -> None:
        """Wait until so much was written as ``count`` segments have."""
        before = self.server.execute("select pg_current_wal_lsn()")[0][0]
        behind = f"select pg_current_wal_lsn() - '{before}' > {count * SEGMENT_BYTES}"
        until(lambda: self.server.execute(behind)[0][0], f"{count} segments are written")

    def let_lease_pass(self) -> None:
        """As if so much time had gone by since it was renewed."""
        self.fleet.rows("update pgbackstop.wal_lease set expires_at = now()")


@pytest.fixture
def archived(fleet: Fleet, make_server: MakeServer) -> Archived:
    server = make_server(initdb=["--wal-segsize=1"], settings={"autovacuum": "off"})
    base = {"backup_type": "physical", "schedule": SELDOM}
    main = {**backups.reached(server), "wal": {"enabled": True}}
    fleet.configure({"base": base}, servers={"main": main}, verify={"interval": "0s"})
    return Archived(fleet=fleet, server=server)


def _freeze(host: Host) -> list[psutil.Process]:
    """All at once, as when a host is paused: the worker first, so that it begins nothing more."""
    worker = psutil.Process(host.pid)
    worker.suspend()
    frozen = [worker, *worker.children(recursive=True)]
    for each in frozen:
        each.suspend()
    return frozen


def _let_tenure_pass(host: Host) -> None:
    """As if the host had been frozen for longer than its worker may be without the database."""
    descriptors = Path(f"/proc/{host.pid}/fd").iterdir()
    (shared,) = (each for each in descriptors if "memfd:tenure" in str(each.readlink()))
    shared.write_bytes(struct.pack("=d", 1.0))


def _told(host: Host, *words: str) -> str:
    done = forks.run("--config", str(host.file), *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_nothing_is_missing_where_one_host_dies_and_another_freezes(archived: Archived) -> None:
    fleet = archived.fleet
    first = fleet.start("a")
    until(lambda: archived.streams(first, known_to="a"), "the first host receives")
    _told(first, "backup", "base")
    second = fleet.start("b")
    with archived.written():
        archived.wait_for_segments(2)
        _dies(archived, first)
        until(lambda: archived.streams(second, known_to="b"), "the second host receives")
        archived.wait_for_segments(2)

    third = fleet.start("a")
    until(lambda: archived.streams(second, known_to="a"), "the first host is back, and knows")
    frozen = _freezes(archived, second)
    with archived.written():
        archived.wait_for_writes(3)
        _let_tenure_pass(second)
        archived.let_lease_pass()
        until(lambda: archived.streams(third, known_to="a"), "the first host receives again")
        archived.wait_for_segments(2)
    _thaws(archived, second, frozen)
    assert archived.holder == third.pid
    _is_whole(archived, third)
    assert third.stop() == 0
    assert archived.holder == 0


def _dies(archived: Archived, host: Host) -> None:
    """A host's processes are gone; nobody takes its lease before its time."""
    for each in _freeze(host):
        each.kill()
    host.kill()
    assert archived.holder == host.pid
    archived.let_lease_pass()


def _freezes(archived: Archived, host: Host) -> list[psutil.Process]:
    """Between two segments: one that is halfway in the archive its receiver may finish when it wakes."""
    last = archived.settled()

    def is_done() -> bool:
        state = archived.known_to("b")
        return state is not None and state.last_segment == last

    until(is_done, "the receiver has taken it in")
    return _freeze(host)


def _thaws(archived: Archived, host: Host, frozen: list[psutil.Process]) -> None:
    """What was frozen ends, and changes nothing of what another host has archived meanwhile."""
    archived.settled()
    before = archived.contents
    for each in reversed(frozen):
        each.resume()
    assert host.process is not None
    assert host.process.wait(DEADLINE) == errors.CatalogError.exit_code
    assert psutil.wait_procs(frozen, DEADLINE)[1] == []
    assert archived.contents == before


def _is_whole(archived: Archived, host: Host) -> None:
    """Every segment from the first to the last, once, as it was hashed, and in one window of recovery."""
    last, names = archived.settled(), archived.names
    numbers = [int(name[8:16], 16) * PER_LOG + int(name[16:], 16) for name in names]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert names[-1] == last
    lines = (archived.archive / "index.jsonl").read_text().splitlines()
    assert len(lines) == len(set(lines)) == len(names)
    assert f"Read {len(names)} segments of the WAL of main" in _told(host, "verify", "--due")
    (told,) = json.loads(_told(host, "wal", "status", "main", "--json"))
    assert (told["state"]["gaps"], told["state"]["conflicts"]) == ([], [])
    assert (told["receiver_running"], told["slot_active"]) == (True, True)
    (window,) = told["windows"]
    assert window["ends"] == "received"
    (server,) = json.loads(_told(host, "fleet", "status", "--json"))["servers"]
    assert server["wal_receiver"] == told["state"]["host"] == socket.gethostname()


def test_a_lease_is_one_workers_until_it_is_over_or_given_back(database: Database) -> None:
    hour = timedelta(hours=1)
    with database.connect() as connection:
        schema.migrate(connection)
        take, renew = (partial(each, connection, lasts=hour) for each in (wal_leases.take, wal_leases.renew))
        assert take(["stock", "shop"], worker="a") == {"shop", "stock"}
        assert take(["stock", "shop", "pay"], worker="b") == {"pay"}
        assert renew(["stock", "pay"], worker="a") == {"stock"}

        wal_leases.say(connection, {"shop": "of a", "pay": "of a"}, worker="a")
        wal_leases.release(connection, ["shop", "pay"], worker="a")
        assert renew(["shop"], worker="a") == set()
        known = {each.server: each for each in wal_leases.known(connection)}
        assert (known["shop"].is_over, known["shop"].state) == (True, "of a")
        assert (known["pay"].is_over, known["pay"].worker, known["pay"].state) == (False, "b", "")
        assert take(["shop"], worker="b") == {"shop"}

        connection.execute("update pgbackstop.wal_lease set expires_at = now() where server = 'stock'")
        assert renew(["stock"], worker="a") == {"stock"}
        connection.execute("update pgbackstop.wal_lease set expires_at = now() where server = 'stock'")
        assert take(["stock"], worker="b") == {"stock"}
        assert renew(["stock"], worker="a") == set()


@pytest.mark.parametrize(
    "step",
    [
        partial(wal_leases.renew, servers=["stock", "shop", "pay"], lasts=timedelta(hours=1)),
        partial(wal_leases.say, states={"stock": "s", "shop": "s", "pay": "s"}),
        partial(wal_leases.release, servers=["stock", "shop", "pay"]),
    ],
    ids=["renew", "say", "release"],
)
def test_rows_are_locked_in_one_order_so_that_no_two_steps_wait_for_each_other(
    database: Database, step: Callable[..., object]
) -> None:
    with database.connect() as holder, database.connect() as other, database.connect() as looker:
        schema.migrate(holder)
        wal_leases.take(holder, ["pay", "shop", "stock"], worker="a", lasts=timedelta(hours=1))
        # Its row is the last one in the table now, and the first by name.
        holder.execute("update pgbackstop.wal_lease set state = 'moved' where server = 'pay'")
        thread = threading.Thread(target=partial(step, other, worker="a"))
        with holder.transaction():
            holder.execute("select from pgbackstop.wal_lease where server = 'pay' for update")
            thread.start()
            waits = "select 1 from pg_locks where not granted and pid = %s"
            until(lambda: looker.execute(waits, (other.info.backend_pid,)).fetchall(), "it waits for the row")
            free = looker.execute("select server from pgbackstop.wal_lease for update skip locked").fetchall()
        thread.join()
    assert sorted(free) == [("shop",), ("stock",)]
