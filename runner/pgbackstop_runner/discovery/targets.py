"""Servers in Prometheus' format of targets, judged: pure.

https://prometheus.io/docs/prometheus/latest/http_sd/: a list of {targets: [host:port], labels: {…}}. Who
writes it chooses which servers are asked, and neither how we log in nor what is run.
"""

from __future__ import annotations

import re
from typing import Any, Final

from pgbackstop_catalog.config import labels
from pgbackstop_catalog.errors import one_line
from pgbackstop_catalog.text import is_name

MOST: Final = 10_000
_PREFIX: Final = "__meta_pgbackstop_"
# Our meta labels, and the keys of a server that they give; name is its name.
_FIELDS: Final = {"group": "group", "database": "maintenance_database"}
# Neither a folder of a socket on this host, nor a list that libpq would try one after the other.
_TARGET: Final = re.compile(
    r"(?:([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)|\[([0-9A-Fa-f:.]+)\])(?::(\d{1,5}))?"
)
_SHOWN: Final = 100


class Refused(ValueError):
    """Why an answer is not taken, in a sentence without its full stop."""


def servers(document: Any) -> dict[str, dict[str, Any]]:
    """By name, the keys of each server's configuration. Raises Refused."""
    if not isinstance(document, list):
        raise Refused("it is no list of targets, as Prometheus' file_sd and http_sd have it")
    found: dict[str, dict[str, Any]] = {}
    for group in document:
        for target, given in _targets(group):
            name, server = _server(target, given)
            if name in found:
                raise Refused(f"server {name!r} is there twice; tell them apart by {_PREFIX}name")
            found[name] = server
            if len(found) > MOST:
                raise Refused(f"it has more than {MOST:,} targets")
    return found


def _targets(group: Any) -> list[tuple[str, dict[str, str]]]:
    is_group = isinstance(group, dict) and set(group) <= {"targets", "labels"}
    targets = group.get("targets") if is_group else None
    given = (group.get("labels") or {}) if is_group else None
    if not isinstance(targets, list) or not isinstance(given, dict):
        raise Refused(f"{_shown(group)} is no mapping of targets and labels")
    texts = (*targets, *given, *given.values())
    if odd := next((each for each in texts if not isinstance(each, str)), None):
        raise Refused(f"{_shown(odd)} among targets and labels is no text")
    return [(target, given) for target in targets]


def _server(target: str, given: dict[str, str]) -> tuple[str, dict[str, Any]]:
    address = _TARGET.fullmatch(target)
    if address is None or not 1 <= int(address[3] or 5432) <= 65535:
        raise Refused(f"target {_shown(target)} is no host:port")
    host = address[1] or address[2]
    name = given.get(f"{_PREFIX}name", host)
    if not is_name(name):
        raise Refused(f"{_shown(name)} can be no name of a server; give one by {_PREFIX}name")
    fields = {key: given[_PREFIX + label] for label, key in _FIELDS.items() if given.get(_PREFIX + label)}
    server = {"host": host, "port": int(address[3] or 5432), **fields}
    free = dict(_free_labels(given))
    return name, {**server, "labels": free} if free else server


def _free_labels(given: dict[str, str]) -> list[tuple[str, str]]:
    """Labels that Prometheus would keep; what is reserved, or empty, is left out as it does."""
    reserved = labels.OURS | labels.THEIRS
    kept = [(name, value) for name, value in given.items() if not name.startswith("__") and value]
    kept = [(name, value) for name, value in kept if name not in reserved]
    for name, value in kept:
        problem = labels.problem_of_name(name) or labels.problem_of_value(value)
        if problem:
            raise Refused(f"label {_shown(name)} {problem}")
    return kept


def _shown(value: Any) -> str:
    return one_line(repr(value), _SHOWN)
