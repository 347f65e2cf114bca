"""What a campaign kills in: one server, one small database, a catalog, two storages, all in one folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_catalog.store import atomic
from pgbackstop_runner import workspace
from pgbackstop_runner.backup import attempt, reconcile
from pgbackstop_runner.backup import run as backup_run
from pgbackstop_runner.copy import run as copy_run
from pgbackstop_runner.drill import run as drill_run
from pgbackstop_runner.expire import run as expire_run
from pgbackstop_runner.recover import record as recover_record
from pgbackstop_runner.restore import planning, undo
from pgbackstop_runner.restore import run as restore_run
from pgbackstop_runner.restore.plan import RestoreRequest
from pgbackstop_runner.restore.select_backup import BackupQuery
from pgbackstop_runner.storage.stored_backup import StoredBackup
from pgbackstop_runner.workspace import Workspace
from tests.support import storages
from tests.support.backups import reached, until
from tests.support.servers import Server

SHOP = "shop"
CONTENT = """
    create table marker (n int);
    insert into marker values (0);
    create table goods (id int primary key, name text not null);
    insert into goods select n, md5(n::text) from generate_series(1, 2000) n;
    create table orders (id int primary key, good int not null references goods);
    insert into orders select n, 1 + n % 2000 from generate_series(1, 2000) n;
    create index orders_good on orders (good)"""
# A database that is whole says this, whatever its marker says.
WHOLE = """
    select (select count(*) from goods), (select count(*) from orders), (select count(*) from marker),
           (select count(*) from pg_index
             where indisvalid and indrelid in ('goods'::regclass, 'orders'::regclass)),
           (select count(*) from pg_constraint
             where convalidated and contype in ('p', 'f') and connamespace = 'public'::regnamespace)"""
IS_WHOLE = (2000, 2000, 1, 3, 3)
PLANS: dict[str, dict[str, object]] = {
    "custom": {"backup_type": "logical", "databases": [SHOP], "copies": ["second"]},
    "dir": {"backup_type": "logical", "databases": [SHOP], "format": "directory", "copies": ["second"]},
    "plain": {"backup_type": "logical", "databases": [SHOP], "format": "plain"},
    "phys": {"backup_type": "physical"},
}


@dataclass
class Campaign:
    """Where kills happen. ``marker`` is what the live database has now; backups may have older ones."""

    server: Server
    folder: Path
    marker: int = 0
    markers: set[int] = field(default_factory=lambda: {0})

    @classmethod
    @contextlib.contextmanager
    def laid(cls, server: Server, folder: Path) -> Iterator[Campaign]:
        """The campaign after a first good backup of each plan."""
        campaign = cls(server=server, folder=folder)
        for name in ("store", "second", "tmp", "drills"):
            (folder / name).mkdir()
        campaign.write()
        storages.create(campaign.workspace)
        server.execute(f"create database {SHOP}")
        server.execute(CONTENT, SHOP)
        for plan in PLANS:
            campaign.backup(plan)
        yield campaign

    @property
    def file(self) -> Path:
        return self.folder / "pgbackstop.yaml"

    @property
    def workspace(self) -> Workspace:
        return workspace.open_workspace(self.file, on_invalid_record=lambda _error: None)

    def write(self, last: int = 2, *, copied: bool = True) -> None:
        """Write the configuration; ``last`` backups of each plan are kept, and not all are ``copied``."""
        more = {"keep": {"last": last, "minimum": 1}, **({} if copied else {"copies": []})}
        document = {
            "servers": {"main": reached(self.server)},
            "plans": {
                name: {"server": "main", "verify": False, **each, **more} for name, each in PLANS.items()
            },
            "storages": {
                name: {"kind": "folder", "path": str(self.folder / place), "reserve": 0}
                for name, place in (("local", "store"), ("second", "second"))
            },
            "log": {"level": "info"},
        }
        self.file.write_text(json.dumps(document))

    def backup(self, plan: str) -> Backup:
        """A good backup, in this process."""
        (made,) = backup_run.run(self.workspace, plan, attempt.BackupRequest())
        assert made.is_available, made.message
        return made

    def mark(self) -> None:
        """Give the live database a content that no backup has."""
        self.marker = max(self.markers) + 1
        self.markers.add(self.marker)
        self.server.execute(f"update marker set n = {self.marker}", SHOP)

    def restored(self, plan: str) -> str:
        """A restore that nobody kills; returns its id."""
        opened = self.workspace
        wanted = BackupQuery(plan=plan)
        with planning.plan_restore(opened, RestoreRequest(wanted=wanted)) as drawn:
            return restore_run.run(opened, drawn).id

    def tidy(self) -> None:
        """What the next starts of daemon and commands do."""
        until(lambda: not self.sessions(), "the end of the sessions of who was killed")
        opened = self.workspace
        reconcile.everything(opened)
        drill_run.everything(opened)
        self._settle(opened)
        undo.clean(opened, "main")
        recover_record.reconcile(opened)
        for plan in PLANS:
            copy_run.run(opened, plan, sleep=lambda _seconds: None)
            expire_run.run(opened, plan)

    def sessions(self) -> list[tuple[object, ...]]:
        """Ours on the server; PostgreSQL ends what it does for who is gone before it notices."""
        return self.server.execute(
            "select pid, query from pg_stat_activity where application_name like 'pgbackstop%'"
        )

    def _settle(self, opened: Workspace) -> None:
        """PostgreSQL may still be busy with what a dead process asked for."""

        def settled() -> bool:
            undo.reconcile(opened)
            return not any(each.is_unsettled for each in opened.catalog.restores())

        until(settled, "the end of a drop or an undo")

    def databases(self) -> list[str]:
        rows = self.server.execute("select datname from pg_database where not datistemplate order by 1")
        return [str(name) for (name,) in rows if name != "postgres"]

    def clear(self) -> None:
        """Drop what restores keep beside, remove what recoveries made, and forget both."""
        for name in self.databases():
            if name != SHOP:
                self.server.execute(f'drop database if exists "{name}" with (force)')
        catalog = self.folder / "store" / "catalog"
        for place in (*self.folder.glob("recovered*"), catalog / "restores", catalog / "proofs"):
            shutil.rmtree(place, ignore_errors=True)


def violations(campaign: Campaign) -> Iterator[str]:
    """What does not hold after the tidying, in words."""
    yield from _live(campaign)
    yield from _backups(campaign)
    yield from _records(campaign)
    yield from (f"left behind: {each}" for each in leftovers(campaign))


def _live(campaign: Campaign) -> Iterator[str]:
    try:
        found = tuple(campaign.server.execute(WHOLE, SHOP)[0])
        ((marker,),) = campaign.server.execute("select n from marker", SHOP)
    except psycopg.Error as error:
        yield f"the live database: {error}"
        return
    if found != IS_WHOLE:
        yield f"the live database is not whole: {found}"
    if marker not in campaign.markers:
        yield f"the live database has a marker that nobody made: {marker}"


def _backups(campaign: Campaign) -> Iterator[str]:
    opened = campaign.workspace
    for plan in PLANS:
        available = [each for each in opened.catalog.backups(plan) if each.is_available]
        if not available:
            yield f"plan {plan} has no good backup any more"
        for backup in available:
            for root in (campaign.folder / "store", *_copies(campaign, opened, backup)):
                yield from _bytes(root / str(backup.location), backup)


def _copies(campaign: Campaign, opened: Workspace, backup: Backup) -> Iterator[Path]:
    for copy in opened.catalog.copies(backup.plan):
        if copy.backup == backup.id and copy.status is Status.SUCCEEDED and copy.expired_at is None:
            yield campaign.folder / copy.storage


def _bytes(folder: Path, backup: Backup) -> Iterator[str]:
    for stored in StoredBackup(backup=backup, folder=folder).files():
        path = folder / stored.path
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != stored.sha256:
            yield f"a good backup is not: {path}"


def _records(campaign: Campaign) -> Iterator[str]:
    catalog = campaign.workspace.catalog
    everything: list[Backup | Copy | Proof | Restore] = [
        *catalog.backups(),
        *catalog.copies(),
        *catalog.proofs(),
        *catalog.restores(),
    ]
    for record in everything:
        if record.status is Status.RUNNING:
            yield f"a record says running: {record.kind} {getattr(record, 'id', '')}"
    databases = campaign.databases()
    for restore in catalog.restores():
        if restore.is_unsettled:
            yield f"nothing says what became of a drop or an undo: restore {restore.id}"
        if restore.what == "logical" and restore.is_undoable and restore.replaced_database not in databases:
            yield f"restore {restore.id} is said to be undoable, and {restore.replaced_database} is not there"


def leftovers(campaign: Campaign) -> list[str]:
    """What no operation that is over may leave."""
    known = {SHOP}
    for restore in campaign.workspace.catalog.restores():
        known |= {restore.replaced_database, restore.undone_database, restore.target}
    found = [f"database {name}" for name in campaign.databases() if name not in known]
    good = {str(each.location) for each in campaign.workspace.catalog.backups() if each.is_available}
    for root in ("store", "second", "tmp"):
        for parent, folders, names in os.walk(campaign.folder / root):
            path = Path(parent)
            inside = path.relative_to(campaign.folder / root)
            if "catalog" not in inside.parts and not folders and not names and len(inside.parts) > 2:
                found.append(f"empty folder {root}/{inside}")
            found += [f"{root}/{inside}/{name}" for name in names if atomic.is_temporary(path / name)]
            found += [f"{root}/{inside}/{name}" for name in folders if name.endswith(".partial")]
            if "backup.json" in names and str(inside) not in good:
                found.append(f"{root}/{inside}, which no record knows")
    found += [f"tmp/{each.name}" for each in (campaign.folder / "tmp").iterdir()]
    found += [str(each) for each in (campaign.folder / "store" / "catalog" / "locks").glob("lease-*")]
    return sorted(set(found))
