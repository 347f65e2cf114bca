"""Reading the configuration file: every error at once, each with file, line, key and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pgbackstop_catalog.config import discovered, expand, locate, service_file
from pgbackstop_catalog.config.catalog_place import TAGS, CatalogDatabase, CatalogInPostgres
from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.config.origins import Origins
from pgbackstop_catalog.config.storage import KINDS
from pgbackstop_catalog.config.yaml_file import BadConfig, Document, Problem

# Beside these, every key that ends in _file or _files.
_PATH_KEYS = {
    "path",
    "catalog",
    "state_folder",
    "drill_folder",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "bin_dir",
    "files",
}
_KEY_ITSELF = "[key]"  # pydantic's place of a mapping's key, which is no key below it
_SECRETS = {
    "password",
    "secret_access_key",
    "access_key_id",
    "account_key",
    "sas",
    "bot_token",
    "token",
    "api_key",
    "api_url",
    "routing_key",
    "webhook_url",
}


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A configuration, and where each of its values comes from."""

    config: Config
    origins: Origins


def load(path: Path) -> Config:
    """Read and check the file. Raises BadConfig with every problem, ConfigError where it cannot be read."""
    return read(path).config


def read(path: Path, discovered_servers: discovered.Servers | None = None) -> Loaded:
    """The same, with the origins of the values; or as it would be if those servers had been discovered."""
    document = locate.document(path)
    if not isinstance(document.value, dict):
        raise BadConfig([document.problem((), "must be a mapping with servers and storages")])
    problems = list(document.problems)
    absolute = _absolute(document, document.value, (), problems)
    known = discovered.servers(absolute, path) if discovered_servers is None else discovered_servers
    expanded = expand.expand(absolute, known)
    origins = Origins(document=document, expanded=expanded, discovered=known)
    problems += [document.problem(loc, text) for loc, text in expanded.problems]
    config = None
    try:
        config = Config.model_validate(expanded.value)
    except ValidationError as error:
        problems += _problems(origins, error)
    if config is not None:
        problems += [_told_at(origins, loc, text) for loc, text in _crossings(config)]
    if problems or config is None:
        raise BadConfig(sorted(dict.fromkeys(problems), key=lambda problem: problem.line))
    return Loaded(config=_with_services(document, config), origins=origins)


def catalog_database(path: Path) -> CatalogDatabase | None:
    """The database of the catalog, whatever else is wrong in the file; None where it names none rightly.

    Raises ConfigError where the file cannot be read.
    """
    document = locate.document(path)
    value = document.value.get("catalog") if isinstance(document.value, dict) else None
    with suppress(ValidationError):
        absolute = _absolute(document, value, ("catalog",), [])
        return CatalogInPostgres.model_validate(absolute).postgres
    return None


def _with_services(document: Document, config: Config) -> Config:
    """The same with what libpq's service file says of the servers. Raises BadConfig."""
    found = {}
    for name, server in config.servers.items():
        try:
            found[name] = service_file.resolved(server)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            said = f"{first['loc'][0]} {_sentence(first, ())}"
            problem = document.problem(("servers", name, "service"), f"{server.service!r} says: {said}")
            raise BadConfig([problem]) from error
    return config.evolve(servers=found) if found != config.servers else config


def _problems(origins: Origins, error: ValidationError) -> Iterator[Problem]:
    """Each once: what is wrong with a group is wrong with everything that was made of it."""
    # What a group says of itself comes first.
    every = sorted(error.errors(include_url=False), key=lambda each: each["loc"][:1] != ("groups",))
    for each in every:
        loc = tuple(str(part) for part in _without_tag(each["loc"]))
        yield _told_at(origins, loc, _sentence(each, loc))


def _told_at(origins: Origins, loc: tuple[str, ...], text: str) -> Problem:
    origin = origins.nearest(tuple(part for part in loc if part != _KEY_ITSELF))
    return origins.document.problem(origin.loc, text)


def _without_tag(loc: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the place without pydantic's name of a kind, of a storage or the catalog: no key of the file."""
    if len(loc) > 2 and loc[0] == "storages" and loc[2] in KINDS:
        return (*loc[:2], *loc[3:])
    return loc[:1] + loc[2:] if len(loc) > 1 and loc[0] == "catalog" and loc[1] in TAGS else loc


_MAPPING = "must be a mapping: write its keys below it, indented, or leave it out"
_SENTENCES = {
    "missing": "is missing; add it",
    "extra_forbidden": "unknown key; remove it, or see 'pgbackstop config schema' for the keys that exist",
    "model_type": _MAPPING,
    "dict_type": _MAPPING,
    "tuple_type": "must be a list: write [one, two], or each on a line of its own after '- '",
    "string_type": "must be text: quote it, for YAML takes yes, no, on, off and numbers for something else",
}


def _sentence(error: Any, loc: tuple[str, ...]) -> str:
    kind, name = error["type"], loc[-1] if loc else ""
    if kind == "extra_forbidden" and name in _SECRETS:
        return (
            f"a secret must not stand in this file; put it into one of mode 0600 and name that: {name}_file"
        )
    if kind == "string_pattern_mismatch" and name == _KEY_ITSELF:
        return "is no name: write letters, digits, _ . and -, a letter or digit first, at most 63"
    if kind == "union_tag_invalid":
        return f"kind must be {error['ctx']['expected_tags']}".replace("'", "").replace(",", " or")
    message = str(error["msg"]).removeprefix("Value error, ")
    return _SENTENCES.get(kind, message[0].lower() + message[1:])


def _is_path(key: str) -> bool:
    return key in _PATH_KEYS or key.endswith(("_file", "_files"))


def _absolute(document: Document, value: Any, loc: tuple[str, ...], problems: list[Problem]) -> Any:
    if isinstance(value, dict):
        return {name: _absolute(document, each, (*loc, str(name)), problems) for name, each in value.items()}
    if loc and _is_path(loc[-1]) and isinstance(value, list):
        return [_absolute(document, each, loc, problems) for each in value]
    if loc and _is_path(loc[-1]) and isinstance(value, str):
        try:
            return str(locate.absolute(value, document.file))
        except ValueError as error:
            problems.append(document.problem(loc, str(error)))
    return value


def _crossings(config: Config) -> list[tuple[tuple[str, ...], str]]:
    """Yield what no single value can see: names of nothing, and storages that cannot do what is asked."""
    found: list[tuple[tuple[str, ...], str]] = []
    if not config.servers and not config.discovery:
        found.append((("servers",), "is empty: add one, or groups or discovery that give some"))
    folders = set(config.own_folders)
    if not folders:
        found.append(
            (
                ("storages",),
                "none is of kind folder and without encryption; backups are written to such a one first: "
                "add one",
            )
        )
    for name, plan in config.plans.items():
        where = ("plans", name)
        if plan.server not in config.servers:
            found.append(
                (
                    (*where, "server"),
                    f"there is no server {plan.server!r}; name one of {_names(config.servers)}",
                )
            )
        found += _storage_problem(config, (*where, "storage"), plan.storage, folders)
        found += _copies_problems(config, (*where, "copies"), plan.copies)
    for name, server in config.servers.items():
        found += _copies_problems(config, ("servers", name, "wal", "copies"), server.wal.copies or ())
        found += _storage_problem(config, ("servers", name, "wal", "storage"), server.wal.storage, folders)
    if config.workers.enabled and config.catalog_database is None:
        found.append(
            (("workers", "enabled"), "workers share a catalog in PostgreSQL: name its database under catalog")
        )
    return found


def _copies_problems(
    config: Config, loc: tuple[str, ...], copies: tuple[str, ...]
) -> list[tuple[tuple[str, ...], str]]:
    return [
        (loc, f"there is no storage {copy!r}; name one of {_names(config.storages)}")
        for copy in copies
        if copy not in config.storages
    ]


def _storage_problem(
    config: Config, loc: tuple[str, ...], storage: str | None, folders: set[str]
) -> list[tuple[tuple[str, ...], str]]:
    if storage is None or storage in folders:
        return []
    configured = config.storages.get(storage)
    if configured is not None and configured.encryption is not None:
        return [
            (
                loc,
                f"{storage!r} is encrypted, which is for copies; write to a folder without encryption first",
            )
        ]
    if configured is not None:
        return [(loc, f"{storage!r} is no folder; write to a folder and list {storage!r} under copies")]
    return [(loc, f"there is no storage {storage!r}; name one of {_names(config.storages)}")]


def _names(named: dict[str, Any]) -> str:
    return ", ".join(sorted(named))
