"""What a restore was asked for and what it will do: for people, the dry run, and the deed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pgbackstop_catalog import units
from pgbackstop_catalog.config.server import Hook, Server
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.restore import Estimate
from pgbackstop_runner.formats.dump_metadata import DumpMetadata
from pgbackstop_runner.formats.table_selection import TableSelection
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.restore import application_hooks
from pgbackstop_runner.restore.select_backup import BackupChoice, BackupQuery
from pgbackstop_runner.restore.target_database import Database
from pgbackstop_runner.restore.without import NOTHING, Without
from pgbackstop_runner.storage.sources import Source
from pgbackstop_runner.system import phrases
from pgbackstop_runner.system.jail import Jail

# As many as a person reads before a restore.
_SHOWN_TABLES = 20

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

    def lines(self, now: datetime) -> Iterator[tuple[str, str]]:
        """The plan, as pairs of what and how, for people."""
        backup = self.backup
        yield "backup", f"{backup.id} of plan {backup.plan}: {self.choice.why}"
        yield "made", _age(backup, now)
        yield "holds", _size(backup)
        yield from _left_out(backup, self.request.without)
        yield "bytes", f"from {self.source.place(backup.storage)}: {self.source.reason}"
        for why in self.source.passed_over:
            yield "not from", why
        yield "checked", self.checked
        yield "into", f"{self._destination()}, on server {self.server_name}"
        yield "should take", f"about {units.format_duration(self.estimate.seconds)} ({self.estimate.reason})"
        if self.needed_bytes is not None:
            yield "room", f"about {units.format_size(self.needed_bytes)} are needed, {self._free()}"
        if self.replaces and self.replaced is not None:
            yield "replaces", self._replacing(self.replaced)
        yield from self._selected()
        for name, hook in self.hooks():
            yield name, application_hooks.describe(hook)
        yield from self._rights()
        if not self.same_server:
            yield "ATTENTION", "this is another server than the one that was backed up"

    def _rights(self) -> Iterator[tuple[str, str]]:
        """What is made on the server beside the database, and who could act in it."""
        for name in sorted(self.missing_roles):
            yield "role", f"{name} is created from the backup's globals"
        for name in sorted(self.missing_tablespaces):
            yield "tablespace", f"{name} is not on this server: its tables go to the default one"
        if self.trusted_with_superuser:
            owners = phrases.some(sorted(self.trusted_with_superuser))
            yield (
                "trusts",
                f"what {owners} wrote (functions, constraints, expressions) may run as superuser "
                f"{self.acts_as} while it is filled; a restore_role that is none keeps them from that",
            )
        if self.owner_besides:
            yield (
                "open to",
                f"{self.owner_besides}, who owns the database and could let himself in while it is filled",
            )

    def document(self, now: datetime) -> dict[str, str | list[str]]:
        """The plan for programs: a list where a kind has several lines.

        ``confirm``: the phrase, or ""; ``trust``: the owners whom somebody must trust, as a list.
        """
        found: dict[str, list[str]] = {}
        for what, how in self.lines(now):
            found.setdefault(what, []).append(how)
        return {
            "confirm": self.phrase,
            "trust": sorted(self.trusted_with_superuser),
            **{what: how[0] if len(how) == 1 else how for what, how in found.items()},
        }

    def _destination(self) -> str:
        beside = f"{self.database}, filled beside the live one and swapped in by a rename"
        if self.under_its_name:
            bound = ", ".join(self.bound_extensions)
            beside = (
                f"{self.database}, filled under its name, as {bound} needs it; the live one is put aside "
                "meanwhile, and gets its name back if anything fails"
            )
        words = {
            "swap": beside,
            "in-place": f"{beside}; then the old one is DROPPED, and there is no undo",
            "into": f"the new database {self.database}",
            "selection": f"the database {self.database}",
        }
        return words[self.method]

    def _free(self) -> str:
        if self.free_bytes is None:
            return "and the server's disk cannot be seen from here"
        return f"{units.format_size(self.free_bytes)} are free on the server's disk"

    def _replacing(self, old: Database) -> str:
        size = units.format_size(old.size_bytes)
        fate = (
            "dropped at the end" if self.method == "in-place" else "kept under another name until you drop it"
        )
        return f"{old.name} ({size}, {units.format_count(old.connections, 'connection')} ended): it is {fate}"

    def _selected(self) -> Iterator[tuple[str, str]]:
        if self.family is None:
            return
        tables = list(self.family.tables.items())
        for name, rows in tables[:_SHOWN_TABLES]:
            yield "table", f"{name}, {'not counted' if rows is None else units.format_count(rows, 'row')}"
        if len(tables) > _SHOWN_TABLES:
            yield "table", f"and {len(tables) - _SHOWN_TABLES} more"
        for key in self.family.other_keys if self.keys_return else ():
            yield "foreign key", f"{key.name} of {key.table} points to it: made again where it is gone"
        for each in self.family.dependents if self.keys_return else ():
            yield each.kind, f"depends on it; where it is gone, make it again: {self.statement(each.code)}"

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


def _left_out(backup: Backup, without: Without) -> Iterator[tuple[str, str]]:
    """What is not in the backup, or shall not be restored: whoever replaces a database by it loses that."""
    if without:
        yield "without", f"the extension {without}"
    told = (("", backup.excluded_tables), ("the rows of ", backup.schema_only_tables))
    for rows_of, names in told:
        if names:
            more = f" and {len(names) - _SHOWN_TABLES} more" if len(names) > _SHOWN_TABLES else ""
            yield "left out", f"by its plan, {rows_of}{', '.join(names[:_SHOWN_TABLES])}{more}"


def _age(backup: Backup, now: datetime) -> str:
    age = units.format_duration(max(0.0, (now - backup.started_at).total_seconds()))
    return f"{backup.started_at:%Y-%m-%d %H:%M:%S} UTC, {age} ago"


def _size(backup: Backup) -> str:
    rows = f", {units.format_rows(backup.row_counts.values())}" if backup.row_counts else ""
    return f"{units.format_size(backup.size_bytes or 0)} ({backup.format}){rows}"
