"""A backup host that is lost, what it leaves in the bucket, and the empty host that comes after it."""

import contextlib
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pgbackstop_catalog.config.storage import AnyStorage, FolderStorage, S3Storage
from pgbackstop_catalog.decisions.wal_copies import WalCopyState
from pgbackstop_catalog.records import codec
from pgbackstop_runner.storage import identity, open
from pgbackstop_runner.storage.protocol import ByteStore
from tests.integration.copies.conftest import ACCESS_KEY, SECRET_KEY
from tests.integration.recover import primary as primaries
from tests.integration.recover.primary import Clone, Primary
from tests.support import backups, binaries, ports
from tests.support.backups import Site
from tests.support.servers import Server

TABLE = "create table ledger (n bigint primary key, at timestamptz default clock_timestamp(), content text)"


@dataclass
class Host:
    """A backup host that archives, and copies to the bucket; it can be lost."""

    primary: Primary
    copier: subprocess.Popen[str] | None = None

    def copy_on(self) -> None:
        self.copier = self.primary.site.start("wal", "copy", "main")

    def state(self) -> WalCopyState | None:
        with contextlib.suppress(FileNotFoundError):
            return codec.read(WalCopyState, self.primary.site.state.wal_copy("s3", "main"))
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
        self.primary.stop_receiver(signal.SIGKILL)

    def lose(self) -> None:
        """Store, catalog and configuration are gone."""
        self.kill()
        shutil.rmtree(self.primary.site.folder)


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


@contextlib.contextmanager
def a_host(storage: AnyStorage) -> Iterator[Host]:
    with Server(binaries.reachable(binaries.DEFAULT_MAJOR), settings=primaries.SETTINGS) as server:
        server.execute(TABLE)
        wal = {"copy_unfinished": 1}
        s3 = {"s3": storage.model_dump(mode="json")}
        primary = Primary(server, wal_settings=wal, plan={"copies": ["s3"]}, storages=s3)
        new = Host(primary)
        identity.create(primary.site.workspace, "s3")
        try:
            yield new
        finally:
            new.kill()
            primary.close()


@dataclass(frozen=True)
class LostHost:
    """What a lost host left: its storage of copies, and the empty host that comes after it."""

    host: Host
    storage: AnyStorage
    site: Site

    @property
    def store(self) -> ByteStore:
        """Its files as they lie there, encrypted where they are."""
        return open.open_store("s3", self.storage.evolve(encryption=None))

    def paths(self, ending: str) -> list[str]:
        return [path for path, _size in self.store.files("backups") if path.endswith(ending)]

    def download(self, folder: Path) -> None:
        """Get the tree as a person does who has standard tools alone."""
        if isinstance(self.storage, FolderStorage):
            shutil.copytree(self.storage.path, folder, dirs_exist_ok=True)
            return
        assert isinstance(self.storage, S3Storage)
        address = f"{self.storage.endpoint}/{self.storage.bucket}/{self.storage.prefix}"
        login = ["--aws-sigv4", "aws:amz:us-east-1:s3", "--user", f"{ACCESS_KEY}:{SECRET_KEY}"]
        for path in self.paths(""):
            output = ["--create-dirs", "-o", str(folder / path)]
            subprocess.run(["curl", "-sSf", *login, *output, f"{address}{path}"], check=True)

    @contextlib.contextmanager
    def changed(self, path: str, content: bytes | None) -> Iterator[None]:
        """Replaced, or removed, and as before afterwards."""
        before = self.store.read(path)
        if content is None:
            self.store.remove([path])
        else:
            self.store.put_bytes(content, path)
        try:
            yield
        finally:
            self.store.put_bytes(before, path)

    def refused(self, *words: str, site: Site | None = None) -> str:
        """A recovery that must fail, and leave nothing; what it says."""
        into = self.host.primary.target()
        done = (site or self.site).run("recover", "main", "--into", str(into), *words)
        assert done.returncode != 0, done.stdout
        assert not into.exists()
        assert "Traceback" not in done.stderr
        assert SECRET_KEY not in done.stderr
        return backups.sentence(done)


@dataclass(frozen=True)
class Bucket(LostHost):
    """In a bucket."""

    storage: S3Storage


@dataclass(frozen=True)
class Archived:
    """A server with a base backup and WAL after it, all in the storage "s3" as well."""

    host: Host
    storage: FolderStorage | S3Storage

    @property
    def site(self) -> Site:
        return self.host.primary.site

    def base(self) -> Path:
        backup = self.site.newest()
        return next(self.site.path(backup) / each.path for each in backup.files if "base.tar" in each.path)

    @property
    def store(self) -> ByteStore:
        return open.open_store("s3", self.storage)

    def segments(self) -> list[Path]:
        """Those of the archive in the host's own folder."""
        return sorted(self.host.primary.archive.glob("*/*.lz4"))


@contextlib.contextmanager
def archived_in(storage: FolderStorage | S3Storage) -> Iterator[Archived]:
    """Twenty rows after the backup, in three segments."""
    with a_host(storage) as host:
        host.primary.receive()
        host.copy_on()
        host.primary.backup()
        for number in range(1, 21):
            host.primary.server.execute(f"insert into ledger (n) values ({number})")
            if number % 6 == 0:
                host.primary.switch()
        host.primary.switch()
        host.reaches(now(host.primary.server))
        host.kill()  # or its receiver would find out what a test takes away for a moment
        yield Archived(host=host, storage=storage)


def empty_host(host: Host, storage: AnyStorage) -> Site:
    """A configuration by hand: the server's name, an empty folder, the bucket."""
    return Site(
        folder=host.primary.folder / "new",
        server=host.primary.server,
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
    into, port = host.primary.target(), ports.free()
    with primaries.ended(into):
        done = site.run("recover", "main", "--into", str(into), "--start", "--port", str(port), *words)
        assert done.returncode == 0, done.stderr
        yield Clone(data=into, port=port, said=done.stdout)
