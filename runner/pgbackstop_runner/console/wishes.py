"""What somebody wants restored or recovered: the command that does it, and its dry run."""

from __future__ import annotations

import json
from dataclasses import dataclass

from pgbackstop_catalog.text import put_together


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the dry run says: ``lines`` of what and how, or a ``text``.

    ``confirm`` is what must be typed before it is done; "" where nothing is replaced. ``trust`` are the
    owners whom somebody trusts with a superuser's rights who lets it be done.
    """

    lines: tuple[tuple[str, str], ...] = ()
    text: str = ""
    confirm: str = ""
    trust: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RestoreWish:
    """A database out of a logical backup; ``into`` is "" where it is to take the live one's place."""

    backup: str
    into: str = ""
    roles: bool = False
    accept_missing: bool = False

    def arguments(self, *options: str) -> tuple[str, ...]:
        """The command line after ``pgbackstop``; a name in it is never read as an option."""
        wanted = (
            *((f"--into={self.into}",) if self.into else ()),
            *(("--globals",) if self.roles else ()),
            *(("--accept-missing",) if self.accept_missing else ()),
        )
        return ("restore", *wanted, *options, "--", self.backup)

    def dry_run(self) -> tuple[str, ...]:
        """The one that only says it."""
        return self.arguments("--dry-run", "--json")

    def told(self, output: bytes) -> Told:
        """What that said."""
        return _restore_told(output)


@dataclass(frozen=True, kw_only=True)
class TablesWish:
    """Single tables out of a logical backup, into a schema that is made; "" for where they were."""

    backup: str
    tables: tuple[str, ...]
    schema: str = ""

    def arguments(self, *options: str) -> tuple[str, ...]:
        """The command line after ``pgbackstop``; a name in it is never read as an option."""
        wanted = (
            *(f"--table={each}" for each in self.tables),
            *((f"--into-schema={self.schema}",) if self.schema else ()),
        )
        return ("restore", *wanted, *options, "--", self.backup)

    def dry_run(self) -> tuple[str, ...]:
        """The one that only says it."""
        return self.arguments("--dry-run", "--json")

    def told(self, output: bytes) -> Told:
        """What that said."""
        return _restore_told(output)


def _restore_told(output: bytes) -> Told:
    found = json.loads(output)
    lines = tuple((what, put_together(each)) for what, how in found["patterns"].items() for each in how)
    return Told(lines=lines, confirm=str(found["confirm"]), trust=tuple(found["trust"]))


@dataclass(frozen=True, kw_only=True)
class RecoverWish:
    """A server into a directory that is not there yet: to a moment, or the newest byte where that is "".

    It is started on the ``port`` where one is given.
    """

    server: str
    into: str
    moment: str = ""
    port: str = ""

    def arguments(self, *options: str) -> tuple[str, ...]:
        """The command line after ``pgbackstop``."""
        wanted = (
            *((f"--time={self.moment}",) if self.moment else ()),
            *(("--start", f"--port={self.port}") if self.port else ()),
        )
        return ("recover", f"--into={self.into}", *wanted, *options, "--", self.server)

    def dry_run(self) -> tuple[str, ...]:
        """The one that only says it."""
        return self.arguments("--dry-run")

    def told(self, output: bytes) -> Told:
        """What that said."""
        return Told(text=output.decode(errors="replace"))


Wish = RestoreWish | TablesWish | RecoverWish
