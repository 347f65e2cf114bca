"""What a restore was asked for and what it will do: for the dry run, and the deed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pgbackstop_catalog.config.server import Hook, Server
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.restore import Estimate
from pgbackstop_runner.formats.dump_metadata import DumpMetadata
from pgbackstop_runner.formats.table_selection import TableSelection
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.restore.select_backup import BackupChoice, BackupQuery
from pgbackstop_runner.restore.target_database import Database
from pgbackstop_runner.restore.without import NOTHING, Without
from pgbackstop_runner.storage.sources import Source
from pgbackstop_runner.system.jail import Jail

Method = Literal["swap", "in-place", "into", "selection"]


@dataclass(frozen=True, kw_only=True)
class RestoreRequest:
    """What was asked for. ``server`` is None for the backup's own; a drill's tools run in its ``jail``.

    ``storage`` is the one that the bytes are read from; None for the nearest.
    """

    wanted: BackupQuery
    server: str | None = None
    storage: str | None = None
    into: str | None = None
    in_place: bool = False
    tables: tuple[str, ...] = ()
    schemas: tuple[str, ...] = ()
    into_schema: str | None = None
    roles: bool = False
    jobs: int | None = None
    accept_missing: bool = False
    fence_timeout: float = 30.0
    jail: Jail | None = None
    without: Without = NOTHING

    @property
    def method(self) -> Method:
        if self.tables or self.schemas:
            return "selection"
        if self.into is not None:
            return "into"
        return "in-place" if self.in_place else "swap"


@dataclass(frozen=True, kw_only=True)
class RestorePlan:
    """Everything that the restore needs, and what it would do.

    ``acts_as`` is the role that restores.
    ``bound_extensions`` can be created only in a database of that name.
    ``live_owners`` are those of functions and domains in the database that single tables come into.
    ``free_bytes`` is None where the server's disk cannot be seen from here.
    """

    request: RestoreRequest
    choice: BackupChoice
    folder: Path
    source: Source
    dump: Path
    blueprint: DumpMetadata
    server_name: str
    server: Server
    major: int
    binaries: Binaries
    database: str
    replaced: Database | None
    same_server: bool
    identity: str
    missing_roles: frozenset[str]
    missing_tablespaces: frozenset[str]
    bound_extensions: Mapping[str, str]
    estimate: Estimate
    checked: str
    superusers: frozenset[str]
    acts_as: str
    live_owners: frozenset[str]
    free_bytes: int | None
    family: TableSelection | None

    @property
    def backup(self) -> Backup:
        return self.choice.backup

    @property
    def method(self) -> Method:
        return self.request.method

    @property
    def replaces(self) -> bool:
        """Whether a database that exists makes room for another."""
        return self.replaced is not None and self.method in {"swap", "in-place"}

    @property
    def under_its_name(self) -> bool:
        """Whether it must be filled under the name that it shall have, and not beside."""
        return bool(self.bound_extensions) and self.method in {"swap", "in-place"}

    @property
    def needed_bytes(self) -> int | None:
        """What a second copy of the database takes; None where there is none, or it is not on record."""
        return None if self.method == "selection" else self.backup.source_size_bytes

    @property
    def as_superuser(self) -> bool:
        """Whether a superuser restores: functions of the dump may run with his rights meanwhile."""
        return self.acts_as in self.superusers

    @property
    def owner_besides(self) -> str:
        """Who owns the database from the beginning beside whoever restores; "" where nobody does."""
        owner = self.blueprint.owner
        return "" if self.as_superuser or owner == self.acts_as else owner

    @property
    def trusted_with_superuser(self) -> frozenset[str]:
        """Owners who are no superusers, where one restores: in the dump, and in the database that lives.

        No function is needed: an expression can call one of PostgreSQL's own that runs what a text says. A
        function of the dump may be another's in the database by now, under its name.
        """
        owners = self.live_owners.union(self.blueprint.owners)
        return owners - self.superusers if self.as_superuser else frozenset()

    @property
    def keys_return(self) -> bool:
        """Whether foreign keys of other tables are made again: where the table was, under its name."""
        request = self.request
        return request.into_schema is None and request.into in {None, self.backup.database}

    @property
    def phrase(self) -> str:
        """What must be typed before anything is replaced; "" where nothing is."""
        if not self.replaces:
            return ""
        return self.database if self.same_server else f"{self.database} on server {self.identity}"

    def statement(self, code: bytes) -> str:
        """A statement of the dump on one line."""
        return " ".join(self.blueprint.text(code).split())

    def hooks(self) -> Iterator[tuple[str, Hook]]:
        """What stops, starts and checks the application, in this order, where it is stopped at all."""
        application = self.server.application
        if self.method not in {"swap", "in-place"}:
            return
        for name, hook in (
            ("stop", application.stop),
            ("start", application.start),
            ("check", application.check),
        ):
            if hook is not None:
                yield name, hook
