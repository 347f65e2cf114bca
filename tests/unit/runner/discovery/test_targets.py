"""Targets of Prometheus' format: what they mean, and what is no list of servers."""

from typing import Any

import pytest

from pgbackstop_runner.discovery import targets
from pgbackstop_runner.discovery.targets import Refused


def test_targets_have_names_addresses_groups_and_free_labels() -> None:
    labels = {
        "team": "payments",
        "empty": "",
        "job": "postgres",
        "server": "x",
        "__address__": "x",
        "__meta_pgbackstop_group": "g",
        "__meta_pgbackstop_database": "orders",
    }
    found = targets.servers(
        [
            {"targets": ["pay-1.internal:6432", "10.0.0.7"], "labels": labels},
            {"targets": ["[::1]:5433"], "labels": {"__meta_pgbackstop_name": "six"}},
            {"targets": []},
        ]
    )
    common = {"group": "g", "maintenance_database": "orders", "labels": {"team": "payments"}}
    assert found == {
        "pay-1.internal": {"host": "pay-1.internal", "port": 6432, **common},
        "10.0.0.7": {"host": "10.0.0.7", "port": 5432, **common},
        "six": {"host": "::1", "port": 5433},
    }


def named(name: str) -> list[dict[str, Any]]:
    return [{"targets": ["a:1"], "labels": {"__meta_pgbackstop_name": name}}]


HOSTILE: dict[str, Any] = {
    "no list": {"targets": ["a:1"]},
    "null": None,
    "a number": [7],
    "no targets": [{"labels": {}}],
    "another key": [{"targets": ["a:1"], "password": "x"}],
    "targets of numbers": [{"targets": [5432]}],
    "labels of lists": [{"targets": ["a:1"], "labels": {"team": ["x"]}}],
    "a slash in a name": named("a/b"),
    "a way up": named(".."),
    "a way up further down": named("a/../../etc"),
    "an empty name": named(""),
    "a long name": named("a" * 64),
    "a name with a line": named("a\nb"),
    "a socket": [{"targets": ["/var/run/postgresql:5432"]}],
    "two hosts": [{"targets": ["a,b:5432"]}],
    "a space": [{"targets": ["a b:5432"]}],
    "an option": [{"targets": ["-a:5432"]}],
    "a port too many": [{"targets": ["a:65536"]}],
    "no port": [{"targets": ["a:0"]}],
    "a host that is no name": [{"targets": ["[::1]:5432"]}],
    "twice": [{"targets": ["a:1", "a:2"]}],
    "a label that is none": [{"targets": ["a:1"], "labels": {"te-am": "x"}}],
    "a value that cannot be printed": [{"targets": ["a:1"], "labels": {"team": "\x1b[31m"}}],
    "thousands": [{"targets": [f"a{number}:1" for number in range(targets.MOST + 1)]}],
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_no_list_of_servers_is_refused_in_one_sentence(case: str) -> None:
    with pytest.raises(Refused) as raised:
        targets.servers(HOSTILE[case])
    said = str(raised.value)
    assert said.isprintable()
    assert len(said) < 300
