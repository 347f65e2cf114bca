"""Reading the configuration file: every error at once, each with file, line, key and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import locate
from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.config.storage import FolderStorage

_PATH_KEYS = {
    "path",
    "catalog",
    "drill_folder",
    "password_file",
    "token_file",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "bin_dir",
    "access_key_id_file",
    "secret_access_key_file",
    "api_url_file",
    "bot_token_file",
    "ca_file",
    "watchdog_url_file",
}
_KEY_ITSELF = "[key]"  # pydantic's place of a mapping's key, which is no key below it
_SECRETS = {"password", "secret_access_key", "access_key_id", "bot_token", "token", "api_url", "webhook_url"}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with the file."""

    file: Path
    line: int
    key: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.key}: {self.problem}"


class BadConfig(errors.ConfigError):
    """All problems of a file, one a line."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def load(path: Path) -> Config:
    """Read and check the file. Raises BadConfig with every problem, ConfigError where it cannot be read."""
    text = locate.text_of(path)
    node = compose(path, text)
    problems = duplicates(path, node)
    document = yaml.load(text, Loader=locate.LOADER)  # noqa: S506 - a safe loader
    if not isinstance(document, dict):
        raise BadConfig(
            [
                Problem(
                    file=path,
                    line=1,
                    key="(file)",
                    problem="must be a mapping with servers and storages",
                )
            ]
        )
    config = None
    try:
        config = Config.model_validate(_absolute(document, path))
    except ValidationError as error:
        problems += [_problem(path, node, each) for each in error.errors(include_url=False)]
    if config is not None:
        problems += [
            Problem(file=path, line=line_of(node, loc), key=".".join(loc), problem=text)
            for loc, text in _crossings(config)
        ]
    if problems or config is None:
        raise BadConfig(sorted(problems, key=lambda problem: problem.line))
    return config


def compose(path: Path, text: str) -> yaml.Node | None:
    """The text as nodes that know their lines. Raises BadConfig where it is no YAML."""
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=locate.LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "cannot be parsed"
        line = mark.line + 1 if mark else 1
        raise BadConfig(
            [
                Problem(
                    file=path,
                    line=line,
                    key="(YAML)",
                    problem=f"{what}; mend the syntax here or just above",
                )
            ]
        ) from error
    return node


def duplicates(path: Path, node: yaml.Node | None, loc: tuple[str, ...] = ()) -> list[Problem]:
    """Keys that stand in one mapping twice; YAML's readers keep the last without a word."""
    found: list[Problem] = []
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                place = ".".join((*loc, name))
                text = "stands here a second time; keep one"
                found.append(Problem(file=path, line=key.start_mark.line + 1, key=place, problem=text))
            seen.add(name)
            found += duplicates(path, value, (*loc, name))
    return found


def _problem(path: Path, node: yaml.Node | None, error: Any) -> Problem:
    loc = tuple(
        str(part) for part in error["loc"] if part not in {"folder", "s3"} or not _is_tag(error["loc"], part)
    )
    key = ".".join(part for part in loc if part != _KEY_ITSELF) or "(file)"
    return Problem(file=path, line=line_of(node, loc), key=key, problem=_sentence(error, loc))


def _is_tag(loc: tuple[Any, ...], part: Any) -> bool:
    """Whether ``part`` is pydantic's name of the storage's kind, which is no key of the file."""
    return len(loc) > 2 and loc[0] == "storages" and loc.index(part) == 2


_MAPPING = "must be a mapping: write its keys below it, indented, or leave it out"
_SENTENCES = {
    "missing": "is missing; add it",
    "extra_forbidden": "unknown key; remove it, or see 'pgbackstop config schema' for the keys that exist",
    "model_type": _MAPPING,
    "dict_type": _MAPPING,
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


def line_of(node: yaml.Node | None, loc: tuple[str, ...]) -> int:
    """The line of the key at ``loc``, or of the nearest one above it that is there."""
    line = node.start_mark.line + 1 if node is not None else 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if str(key.value) == part), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and part.isdecimal() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _absolute(value: Any, file: Path, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _absolute(each, file, str(name)) for name, each in value.items()}
    if key in _PATH_KEYS and isinstance(value, str):
        return str(locate.absolute(value, file))
    return value


def _crossings(config: Config) -> list[tuple[tuple[str, ...], str]]:
    """What no single value can see: names that name nothing, and storages that cannot do what is asked."""
    found: list[tuple[tuple[str, ...], str]] = []
    folders = {name for name, storage in config.storages.items() if isinstance(storage, FolderStorage)}
    if not folders:
        found.append(
            (
                ("storages",),
                "none is of kind folder; backups are written to a folder first: add one",
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
        found += [
            (
                (*where, "copies"),
                f"there is no storage {copy!r}; name one of {_names(config.storages)}",
            )
            for copy in plan.copies
            if copy not in config.storages
        ]
    for name, server in config.servers.items():
        found += _storage_problem(config, ("servers", name, "wal", "storage"), server.wal.storage, folders)
    return found


def _storage_problem(
    config: Config, loc: tuple[str, ...], storage: str | None, folders: set[str]
) -> list[tuple[tuple[str, ...], str]]:
    if storage is None or storage in folders:
        return []
    if storage in config.storages:
        return [(loc, f"{storage!r} is no folder; write to a folder and list {storage!r} under copies")]
    return [(loc, f"there is no storage {storage!r}; name one of {_names(config.storages)}")]


def _names(named: dict[str, Any]) -> str:
    return ", ".join(sorted(named))
