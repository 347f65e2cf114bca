"""The backup host is lost: another, empty one recovers the server from the bucket alone."""

import contextlib
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from pgbackstop_catalog.config.storage import S3Storage
from pgbackstop_catalog.decisions.wal_copies import WalCopyState
from pgbackstop_catalog.records import codec
from tests.integration.copies.conftest import SECRET_KEY
from tests.integration.recover import yard as yards
from tests.integration.recover.yard import Clone, Yard
from tests.support import backups, ports
from tests.support.backups import Site
from tests.support.fixtures import MakeServer
from tests.support.servers import Server

TABLE = "create table ledger (n bigint primary key, at timestamptz default clock_timestamp(), content text)"
ROWS = "select n, at, content from ledger order by n"


@dataclass
class Host:
    """A backup host that archives, and copies to the bucket; it can be lost."""

    yard: Yard
    copier: subprocess.Popen[str] | None = None

    def copy_on(self) -> None:
        self.copier = self.yard.site.start("wal", "copy", "main")

    def state(self) -> WalCopyState | None:
        with contextlib.suppress(FileNotFoundError):
            return codec.read(WalCopyState, self.yard.site.state.wal_copy("s3", "main"))
        return None

    def reaches(self, moment: datetime) -> None:
        """Wait until the bucket alone recovers everything committed by then."""

        def reached() -> bool:
            state = self.state()
            return bool(state and state.recoverable_until and state.recoverable_until >= moment)

        backups.until(reached, "the bucket to have it")

    def kill(self) -> None:
        """Everything at once, as a power cut would."""
        if self.copier is not None:
            self.copier.kill()
            self.copier.communicate(timeout=backups.PATIENCE)
            self.copier = None
        self.yard.stop_receiver(signal.SIGKILL)

    def lose(self) -> None:
        """Store, catalog and configuration are gone."""
        self.kill()
        shutil.rmtree(self.yard.site.folder)


@dataclass
class Writer:
    """Commits rows until it is ended, as an application would."""

    server: Server
    ended: threading.Event = field(default_factory=threading.Event)
    written: int = 0

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self.ended.set()
            thread.join()

    def _run(self) -> None:
        with self.server.connect() as connection:
            while not self.ended.is_set():
                self.written += 1
                connection.execute(
                    "insert into ledger (n, content) select %s, string_agg(md5(random()::text), '')"
                    " from generate_series(1, 20)",
                    (self.written,),
                )

    def more(self, count: int) -> None:
        """Wait until so many more rows are there."""
        wanted = self.written + count
        backups.until(lambda: self.written > wanted, "rows to be written")


@pytest.fixture
def host(make_server: MakeServer, storage: S3Storage) -> Iterator[Host]:
    server = make_server(17, settings=yards.SETTINGS)
    server.execute(yards.BEATS)
    server.execute(TABLE)
    yard = Yard(
        server,
        wal_settings={"copy_unfinished": 1},
        plan={"copies": ["s3"]},
        storages={"s3": storage.model_dump(mode="json")},
    )
    new = Host(yard)
    try:
        yield new
    finally:
        new.kill()
        yard.close()


def empty_host(host: Host, storage: S3Storage) -> Site:
    """A configuration by hand: the server's name, an empty folder, the bucket."""
    return Site(
        folder=host.yard.folder / "new",
        server=host.yard.server,
        plans={},
        server_settings={"wal": None},
        more_storages={"offsite": storage.model_dump(mode="json")},
    )


def now(server: Server) -> datetime:
    (moment,) = server.execute("select clock_timestamp()")[0]
    assert isinstance(moment, datetime)
    return moment


@contextlib.contextmanager
def recovered(host: Host, site: Site, *words: str) -> Iterator[Clone]:
    place, port = host.yard.target(), ports.free()
    with yards.ended(place):
        done = site.run("recover", "main", "--into", str(place), "--start", "--port", str(port), *words)
        assert done.returncode == 0, done.stderr
        yield Clone(data=place, port=port, said=done.stdout)


def test_everything_that_reached_the_bucket_comes_back(host: Host, storage: S3Storage) -> None:
    server, writer = host.yard.server, Writer(host.yard.server)
    host.yard.receive()
    host.copy_on()
    with writer.writing():
        writer.more(20)
        host.yard.backup()
        for _ in range(3):
            writer.more(100)
            host.yard.switch()
        writer.more(100)
        host.reaches(now(server))
        writer.more(100)
        state = host.state()
        host.lose()
        writer.more(20)
    assert state is not None
    assert state.recoverable_until is not None
    assert state.missing_segments == 0

    new = empty_host(host, storage)
    rebuilt = new.run("catalog", "rebuild", "--storage", "offsite")
    assert rebuilt.returncode == 0, rebuilt.stderr
    with recovered(host, new) as clone:
        assert "all of them from offsite" in clone.said
        rows, live = clone.execute(ROWS), server.execute(ROWS)
        assert rows == live[: len(rows)]
        # By the time of its commit, which is after the row's own.
        promised = server.execute(
            f"select count(*) from ledger where pg_xact_commit_timestamp(xmin) <= '{state.recoverable_until}'"
        )[0][0]
        assert isinstance(promised, int)
        assert 300 < promised <= len(rows) < len(live)
        told = [(clone.data / name).read_text() for name in ("postgresql.auto.conf", "RECOVER.md")]
        assert not any(word in text for text in told for word in (SECRET_KEY, str(storage.endpoint)))
