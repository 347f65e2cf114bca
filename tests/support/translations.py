"""What the console says, and its translations. Run as a program it brings the catalogs up to date.

    .venv/bin/python -m tests.support.translations

New sentences stand in ``ru.po`` without a translation then, and those that nobody says any more are gone.
"""

import contextlib
import functools
import io
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_python
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions.safety import Severity, State
from pgbackstop_catalog.records.attempt import BackupType, Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.restore import HookOutput, Restore, TargetKind, What
from pgbackstop_runner.console import facts, operation
from pgbackstop_runner.restore import lost_dependents

ROOT = Path(__file__).parents[2]
CONSOLE = ROOT / "runner" / "pgbackstop_runner" / "console"
TEMPLATES = CONSOLE / "templates"
FOLDER = CONSOLE / "translations"
LANGUAGES = ("ru",)
# Of the pattern, and of that for more than one.
Message = str | tuple[str, str]
_IN_PYTHON = ("said", "said_of", "word")
_IN_TEMPLATES = ("_", "_n")
_STEPS = (
    *("dump", "count rows", "globals", "basebackup", "compress", "hash", "verify", "commit", "validate"),
    *("read", "initdb", "start", "check", "roles", "create", "restore", "analyze", "copy", "swap", "rename"),
    *("drop", "put aside", "foreign keys", "unpack", "replay", "check result", "stop"),
)
_CHECKS = ("rows", "left out", "indexes", "constraints", "sequences", "extensions", "collation", "pages")
_OF_PLANS = (
    *("Backup", "Made", "Holds", "Left out", "Without", "Bytes", "Not from", "Checked", "Into"),
    *("Should take", "Room", "Replaces", "Role", "Tablespace", "Trusts", "Open to", "ATTENTION"),
    *("Table", "Foreign key", "Stop", "Start", "Check"),
)
_COUNTED = ("table", "row", "connection", "WAL segment", "segment")
_OTHERS = (
    *("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    *("undone", "entries missing", "kept", "goes", "gap", "paused", "incr."),
    *("verify", "logical drill", "physical drill", "pitr drill", "drill"),
    *("server", "plan", "storage"),
    *("{n:.1f} kB", "{n:.1f} MB", "{n:.1f} GB"),
    *("{n:g}w", "{n:g}d", "{n:g}h", "{n:g}m", "{n:g}s"),
)


@functools.cache
def said() -> frozenset[Message]:
    """All that pages say of themselves; every source is read for it, once."""
    return frozenset({*_in_templates(), *_in_python(), *_words()})


def translated(language: str) -> Catalog:
    """The catalog as a person wrote it."""
    with (FOLDER / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language)


def compiled(catalog: Catalog) -> bytes:
    """What the console reads."""
    made = io.BytesIO()
    write_mo(made, catalog)
    return made.getvalue()


def _in_templates() -> Iterator[Message]:
    for path in TEMPLATES.glob("*.html"):
        with path.open("rb") as file:
            for _line, keyword, message, _comments in babel_extract(file, _IN_TEMPLATES, [], {}):
                yield from _message(message, has_plural=keyword == "_n")


def _in_python() -> Iterator[Message]:
    for path in itertools.chain((ROOT / "catalog").rglob("*.py"), (ROOT / "runner").rglob("*.py")):
        # It tells on stderr of each pattern that is put together; those are among the words.
        with path.open("rb") as file, contextlib.redirect_stderr(io.StringIO()):
            found = list(extract_python(file, dict.fromkeys(_IN_PYTHON), [], {}))
        for _line, keyword, message, _comments in found:
            yield from _message(message, has_plural=keyword == "said_of")


def _message(found: Any, *, has_plural: bool) -> Iterator[Message]:
    """Nothing where it is put together when it is said: then it is among the words."""
    texts = [each for each in (found if isinstance(found, tuple) else (found,)) if isinstance(each, str)]
    if has_plural and len(texts) >= 2:
        yield texts[0], texts[1]
    elif not has_plural and texts and texts[0]:
        yield texts[0]


def _words() -> Iterator[Message]:
    """States and the like, which are words before they are translated."""
    for kind in (State, Severity, Reason, Status):
        yield from (each.value for each in kind)
    for literal in (BackupType, What, TargetKind, operation.Verb, operation.State):
        yield from get_args(literal)
    for model, field in ((Backup, "trigger"), (Backup, "method"), (Restore, "method"), (HookOutput, "hook")):
        yield from get_args(model.model_fields[field].annotation)
    yield from facts.STATES
    yield from (kind.capitalize() for kind in lost_dependents.QUERIES)  # a plan names them
    yield from dict(errors.EXIT_CODES).values()
    yield from (*_STEPS, *_CHECKS, *_OF_PLANS, *_OTHERS)
    yield from ((f"{{n:,g}} {what}", f"{{n:,.0f}} {what}s") for what in _COUNTED)


def _update(language: str) -> None:
    path = FOLDER / f"{language}.po"
    old = translated(language) if path.exists() else Catalog(locale=language)
    at = datetime(2026, 1, 1, tzinfo=UTC)  # a date of today would change the file each time
    made = Catalog(
        locale=language,
        project="pgbackstop",
        version="0",
        header_comment="# What the console of pgbackstop says.",
        fuzzy=False,
        creation_date=at,
        revision_date=at,
    )
    for message in said():
        found = old.get(message if isinstance(message, str) else message[0])
        made.add(message, found.string if found is not None else None)
    with path.open("wb") as file:
        write_po(file, made, sort_output=True, no_location=True, width=110)
    (FOLDER / f"{language}.mo").write_bytes(compiled(translated(language)))


if __name__ == "__main__":
    for each in LANGUAGES:
        _update(each)
