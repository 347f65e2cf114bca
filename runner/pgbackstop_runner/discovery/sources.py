"""A source of servers asked: its files, or its address."""

from __future__ import annotations

import glob
import json
from pathlib import Path
from typing import Any, Final

from pgbackstop_catalog import errors, regular_file
from pgbackstop_catalog.config import yaml_file
from pgbackstop_catalog.config.discovery import Discovery
from pgbackstop_runner.discovery.targets import Refused
from pgbackstop_runner.notify import secrets
from pgbackstop_runner.system import http

MOST_BYTES: Final = 16 * 2**20
_MOST_FILES: Final = 1000


def ask(source: Discovery) -> Any:
    """The whole list that it gives. Raises Refused with the reason why there is none."""
    if source.url is not None:
        return _by_http(source, source.url)
    paths = sorted({path for pattern in source.files for path in _matching(pattern)})
    if not paths:
        raise Refused("no file matches")
    if len(paths) > _MOST_FILES:
        raise Refused(f"more than {_MOST_FILES:,} files match")
    lists = [(path, _of_file(Path(path))) for path in paths]
    if odd := next((path for path, each in lists if not isinstance(each, list)), None):
        raise Refused(f"{odd} holds no list of targets, as Prometheus' file_sd has it")
    return [group for _, each in lists for group in each]


def _matching(pattern: Path) -> list[str]:
    return glob.glob(str(pattern))  # noqa: PTH207 - pathlib takes no pattern from the root on


def _by_http(source: Discovery, url: str) -> Any:
    try:
        token = secrets.read(source.token_file, "the token") if source.token_file else None
        authorization = f"Bearer {token}" if token else None
        answer = http.ask(url, timeout=source.timeout, authorization=authorization, most_bytes=MOST_BYTES + 1)
    except errors.ConfigError as error:
        raise Refused(errors.one_line(error.problem).rstrip(".")) from error
    except http.NoAnswer as error:
        raise Refused(f"no answer: {error}") from error
    if answer.status != 200:
        raise Refused(f"it answers with status {answer.status}")
    return _json(answer.body)


def _of_file(path: Path) -> Any:
    try:
        if path.suffix == ".json":
            return _json(regular_file.read(path, MOST_BYTES + 1))
        return yaml_file.read(path, what="The list", remedy="").value
    except errors.ConfigError as error:
        raise Refused(errors.one_line(error.problem).rstrip(".")) from error
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}") from error
    except Refused as error:
        raise Refused(f"{path}: {error}") from error


def _json(body: bytes) -> Any:
    if len(body) > MOST_BYTES:
        raise Refused(f"it has more than {MOST_BYTES // 2**20} MiB")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused("it is no JSON") from error
