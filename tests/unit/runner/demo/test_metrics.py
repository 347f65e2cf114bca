"""What an exporter says, read as it stands."""

from datetime import UTC, datetime, timedelta

import pytest

from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.demo import metrics
from tests.support import factories

PAGE = r"""# HELP backup_last_success_time When.
# TYPE backup_last_success_time gauge
backup_last_success_time{database="a \"b\", c",plan="p",server="s"} 1.795373717452e+09
backup_last_success_time{database="",plan="q",server="s"} 0.0
backup_postgres_up{server="s"} 1.0
disk_free_bytes{path="/x"} 8.3e+10
up 1
"""
FINISHED = datetime.fromtimestamp(1795373717.452, UTC)


def backup(**changes: object) -> Backup:
    facts = {"plan": "p", "server": "s", "database": 'a "b", c'}
    return factories.backup(1, FINISHED, **{**facts, **changes})


def test_samples() -> None:
    found = metrics.samples(PAGE)
    assert [sample.name for sample in found].count("backup_last_success_time") == 2
    assert metrics.value(found, "backup_last_success_time", plan="q") == 0
    assert metrics.value(found, "backup_postgres_up", server="other") is None
    assert metrics.value(found, "up") == 1


def test_another_ones_page_has_none() -> None:
    assert metrics.samples("<html>It works!</html>\n") == []
    assert metrics.samples("") == []


def test_the_literal_lines_are_as_they_were_read() -> None:
    assert metrics.literal(PAGE) == [
        r'backup_last_success_time{database="a \"b\", c",plan="p",server="s"} 1.795373717452e+09',
        'backup_last_success_time{database="",plan="q",server="s"} 0.0',
        'disk_free_bytes{path="/x"} 8.3e+10',
    ]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, True),
        ({"finished_at": FINISHED + timedelta(seconds=1)}, False),
        ({"finished_at": FINISHED - timedelta(days=1)}, True),
        ({"plan": "q", "database": ""}, False),
        ({"plan": "unknown"}, False),
    ],
)
def test_whether_a_page_tells_of_a_backup(changes: dict[str, object], told: bool) -> None:
    found = metrics.samples(PAGE.replace(r"a \"b\", c", "db"))
    assert metrics.tells_of(found, backup(**{"database": "db", **changes})) is told


def test_nobody_answers() -> None:
    assert metrics.page(1) is None
