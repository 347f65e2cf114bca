"""What a first configuration is made of, and what it looks like. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from enum import StrEnum
from importlib import resources

import yaml

from pgbackstop_catalog import errors
from pgbackstop_catalog.text import is_name
from pgbackstop_runner.setup import copies
from pgbackstop_runner.setup.copies import CopyStorage

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*|\d+(\.\d+){3}")
_ROLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.@-]{0,62}")
_PLANS = {"logical": "main-logical", "physical": "main-physical"}
_NAMES = re.compile(r"^(  |    server: )main(-logical|-physical|)\b", re.MULTILINE)
_MAY_BE_EMPTY = frozenset({"password_file", "copies"})
_AFTER_PLANS = "\n# Where the records are"


class BackupTypes(StrEnum):
    """The plans that there are to be."""

    LOGICAL = "logical"
    PHYSICAL = "physical"
    BOTH = "both"


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The answers and the server's name; without ``password_file`` libpq looks for the password.

    ``copies`` is the address of a storage for copies; none where it is empty.
    """

    host: str = "127.0.0.1"
    port: int = 5432
    user: str = "pgbackstop"
    storage: str = "/var/lib/pgbackstop"
    backup_types: BackupTypes = BackupTypes.BOTH
    password_file: str = ""
    name: str = "main"
    copies: str = ""


def check(answers: Answers) -> None:
    """Raises ConfigError for what no configuration may say."""
    if not is_name(answers.name):
        raise errors.ConfigError(
            f"{answers.name!r} is no name of a server.",
            remedy="Use letters, digits, '_', '.', '-', and begin with a letter or digit.",
        )
    if _ROLE.fullmatch(answers.user) is None:
        raise errors.ConfigError(
            f"{answers.user!r} is no role that this can make.",
            remedy="Use letters, digits, '_', '.', '-', '@', at most 63, and begin with a letter.",
        )
    for each in fields(answers):
        value = str(getattr(answers, each.name))
        if not value.isprintable() or not (value.strip() or each.name in _MAY_BE_EMPTY):
            raise errors.ConfigError(f"{value!r} cannot be the {each.name}.", remedy="Give another one.")


def configuration(answers: Answers) -> str:
    """Return the packaged example, as far as the answers ask for it, with its comments."""
    text = _packaged("example.yaml")
    text = _put(text, "host: 127.0.0.1", f"host: {_scalar(answers.host)}")
    text = _put(text, "port: 5432", f"port: {answers.port}")
    text = _put(text, "user: pgbackstop", f"user: {_scalar(answers.user)}")
    text = _put(text, "path: /var/lib/pgbackstop", f"path: {_scalar(answers.storage)}")
    if answers.password_file:
        text = _put(text, "#password_file: secrets/main", f"password_file: {_scalar(answers.password_file)}")
    if answers.copies:
        text = _copied(text, copies.parsed(answers.copies))
    if answers.backup_types is BackupTypes.LOGICAL:
        # WAL serves a physical backup alone, and a slot that nobody reads fills the server's disk.
        text = _put(text, "enabled: true", "enabled: false")
        text = _without(text, "physical", before=_AFTER_PLANS)
    elif answers.backup_types is BackupTypes.PHYSICAL:
        text = _without(text, "logical", before=f"  {_PLANS['physical']}:")
    return _NAMES.sub(lambda found: found[1] + _scalar(f"{answers.name}{found[2]}"), text)


def _copied(text: str, storage: CopyStorage) -> str:
    """The same with a storage for copies, before the examples of others, and plans that use it."""
    text = text.replace("  #offsite:\n", f"{storage.lines()}  #another:\n", 1)
    text = _put(text, "copies: []", f"copies: [{copies.NAME}]")
    physical = "    backup_type: physical "
    return text.replace(
        physical, f"    copies: [{copies.NAME}]                   # further storages\n{physical}", 1
    )


def role_script(user: str) -> str:
    """Return the packaged SQL that makes the role, under that name."""
    text = _packaged("create-role.sql")
    quoted = "pgbackstop" if user == "pgbackstop" else f'"{user}"'
    text = text.replace("'pgbackstop'", f"'{user}'")
    return re.sub(r"((?:ROLE|TO|\\password) )pgbackstop\b", rf"\g<1>{quoted}", text)


def _packaged(name: str) -> str:
    return resources.files("pgbackstop_runner").joinpath(name).read_text(encoding="utf-8")


def _put(text: str, old: str, new: str) -> str:
    """``new`` in the place of the first ``old``; the comment behind it stays where it is."""

    def place(found: re.Match[str]) -> str:
        return new.ljust(len(found[0]) - 1) + " " if found[0] != old else new

    return re.sub(rf"{re.escape(old)} *", place, text, count=1)


def _without(text: str, backup_type: str, *, before: str) -> str:
    head, name, rest = text.partition(f"  {_PLANS[backup_type]}:")
    _plan, end, tail = rest.partition(before)
    assert name and end  # noqa: S101, PT018 - the example has both
    return head.rstrip("\n") + "\n" + end + tail if end == _AFTER_PLANS else head + end + tail


def _scalar(value: str) -> str:
    """A value as YAML reads it back; JSON's strings are YAML's."""
    is_plain = _PLAIN.fullmatch(value) is not None and yaml.safe_load(value) == value
    return value if is_plain else json.dumps(value, ensure_ascii=False)
