"""Every error of a configuration: with file, line, key, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import load, locate_catalog
from tests.unit.catalog.config.file_texts import GOOD, problems


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pgbackstop.yaml"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "catalog: {postgres: {password: x}}",
            "11: catalog.postgres.password: a secret must not stand in this",
        ),
        ("catalog: {folder: x}", "11: catalog.folder: unknown key"),
        ("catalog: {}", "11: catalog.postgres: is missing"),
        ("workers: {enabled: true}", "11: workers.enabled: workers share a catalog in PostgreSQL"),
        ("catalog: 5", "11: catalog: input is not a valid path"),
        ("catalog: {postgres: {password_env: A, password_file: b}}", "11: catalog.postgres: give one of"),
    ],
)
def test_a_catalog_that_is_none(file: Path, text: str, problem: str) -> None:
    assert any(each.startswith(problem) for each in problems(file, GOOD + text)), problems(file, GOOD + text)


BAD_LABELS = {
    "tea-m: x": "servers.main.labels.tea-m: is no name of a label",
    "9team: x": "servers.main.labels.9team: is no name of a label",
    "__name__: x": "servers.main.labels.__name__: begins with __, which Prometheus keeps",
    "instance: x": "servers.main.labels.instance: is a label that Prometheus or Alertmanager attaches",
    "severity: x": "servers.main.labels.severity: is a label that Prometheus or Alertmanager attaches",
    "plan: x": "servers.main.labels.plan: is a label of pgbackstop's own metrics",
    "tier: 1": "servers.main.labels.tier: must be text: quote it",
    'team: ""': "servers.main.labels.team: is empty, which Prometheus takes for no label",
    r'team: "a\nb"': "servers.main.labels.team: holds letters that cannot be printed",
    f"team: {'x' * 201}": "servers.main.labels.team: has more than 200 letters",
}


@pytest.mark.parametrize("label", BAD_LABELS)
def test_a_label_that_prometheus_would_not_take_or_has_already_is_refused(file: Path, label: str) -> None:
    [problem] = problems(file, GOOD.replace("host: db.example", f"labels: {{{label}}}"))
    assert problem.startswith(f"3: {BAD_LABELS[label]}")


WRONG = {
    "an unknown key": (
        "servers: {main: {hots: x}}\nstorages: {disk: {path: s}}",
        "1: servers.main.hots: unknown key; remove it, or see 'pgbackstop config schema'",
    ),
    "a secret": (
        "servers:\n  main:\n    password: hunter2\nstorages: {disk: {path: s}}",
        "3: servers.main.password: a secret must not stand in this file; "
        "put it into one of mode 0600 and name that: password_file",
    ),
    "a secret of a storage": (
        "servers: {main: {}}\nstorages:\n  disk: {path: s}\n  s:\n    kind: s3\n    bucket: b\n"
        "    secret_access_key: hunter2",
        "7: storages.s.secret_access_key: a secret must not stand in this file",
    ),
    "a missing key": ("servers: {main: {}}", "1: storages: is missing; add it"),
    "a missing key of a plan": (
        "servers: {main: {}}\nstorages: {disk: {path: s}}\nplans:\n  a:\n    server: main",
        "4: plans.a.backup_type: is missing; add it",
    ),
    "a key twice": (
        "servers:\n  main: {}\n  main: {}\nstorages: {disk: {path: s}}",
        "3: servers.main: stands here a second time; keep one",
    ),
    "a bad cron expression": (
        "servers: {main: {}}\nstorages: {disk: {path: s}}\nplans:\n"
        "  a: {server: main, backup_type: logical, schedule: 61 2 * * *}",
        "4: plans.a.schedule: '61 2 * * *' is no cron expression",
    ),
    "a schedule that is never due": (
        "servers: {main: {}}\nstorages: {disk: {path: s}}\nplans:\n"
        "  a: {server: main, backup_type: logical, schedule: 0 2 30 2 *}",
        "4: plans.a.schedule: '0 2 30 2 *' is",
    ),
    "a bad time zone": (
        "servers: {main: {}}\nstorages: {disk: {path: s}}\nplans:\n"
        "  a: {server: main, backup_type: logical, timezone: Mars}",
        "4: plans.a.timezone: 'Mars' is no time zone: write it like UTC or Europe/Berlin",
    ),
    "a bad duration": (
        "servers:\n  main:\n    connect_timeout: soon\nstorages: {disk: {path: s}}",
        "3: servers.main.connect_timeout: 'soon' is no duration: write it like",
    ),
    "a bad size": (
        "servers: {main: {}}\nstorages:\n  disk:\n    path: s\n    reserve: much",
        "5: storages.disk.reserve: 'much' is no size: write it like",
    ),
    "what YAML takes for no text": (
        "servers: {main: {host: on}}\nstorages: {disk: {path: s}}",
        "1: servers.main.host: must be text: quote it, for YAML takes yes, no, on, off and numbers for",
    ),
    "an address without http": (
        "servers: {main: {}}\nstorages:\n  disk: {path: s}\n  cloud:\n    kind: s3\n    bucket: b\n"
        "    endpoint: minio:9000",
        "7: storages.cloud.endpoint: must be an address like https://host",
    ),
    "a bad name": (
        "servers: {'../main': {}}\nstorages: {disk: {path: s}}",
        "1: servers.../main: is no name: write letters, digits",
    ),
    "another server": (
        "servers: {main: {}}\nstorages: {disk: {path: s}}\nplans:\n  a: {server: man, backup_type: logical}",
        "4: plans.a.server: there is no server 'man'; name one of main",
    ),
    "another storage": (
        "servers: {main: {}}\nstorages: {disk: {path: s}}\nplans:\n"
        "  a:\n    server: main\n    backup_type: logical\n    storage: tape",
        "7: plans.a.storage: there is no storage 'tape'; name one of disk",
    ),
    "another storage for copies": (
        "servers: {main: {}}\nstorages: {disk: {path: s}}\nplans:\n"
        "  a:\n    server: main\n    backup_type: logical\n    copies: [tape]",
        "7: plans.a.copies: there is no storage 'tape'; name one of disk",
    ),
    "a bucket to write to": (
        "servers: {main: {}}\nstorages: {disk: {path: s}, cloud: {kind: s3, bucket: b}}\nplans:\n"
        "  a: {server: main, backup_type: logical, storage: cloud}",
        "4: plans.a.storage: 'cloud' is no folder; write to a folder and list 'cloud' under copies",
    ),
    "a bucket for the WAL": (
        "servers: {main: {wal: {storage: cloud}}}\nstorages: {disk: {path: s}, cloud: {kind: s3, bucket: b}}",
        "1: servers.main.wal.storage: 'cloud' is no folder",
    ),
    "no folder at all": (
        "servers: {main: {}}\nstorages: {cloud: {kind: s3, bucket: b}}",
        "2: storages: none is of kind folder",
    ),
    "an encrypted folder to write to": (
        "servers: {main: {}}\nstorages: {disk: {path: s}, far: {path: t, encryption: {recipients_file: r}}}\n"
        "plans:\n  a: {server: main, backup_type: logical, storage: far}",
        "4: plans.a.storage: 'far' is encrypted, which is for copies; write to a folder without encryption",
    ),
    "an encrypted folder for the WAL": (
        "servers: {main: {wal: {storage: far}}}\n"
        "storages: {disk: {path: s}, far: {path: t, encryption: {recipients_file: r}}}",
        "1: servers.main.wal.storage: 'far' is encrypted",
    ),
    "no other than an encrypted folder": (
        "servers: {main: {}}\nstorages: {far: {path: t, encryption: {recipients_file: r}}}",
        "2: storages: none is of kind folder and without encryption",
    ),
    "encryption without a key": (
        "servers: {main: {}}\nstorages: {disk: {path: s}, far: {path: t, encryption: {}}}",
        "2: storages.far.encryption: needs recipients_file to write, or identity_files to read",
    ),
    "another kind of storage": (
        "servers: {main: {}}\nstorages:\n  disk: {path: s}\n  t:\n    kind: tape",
        "4: storages.t: kind must be folder or s3",
    ),
    "nothing below a key": (
        "servers:\n  main:\n    wal:\nstorages: {disk: {path: s}}",
        "3: servers.main.wal: must be a mapping: write its keys below it, indented, or leave it out",
    ),
    "both passwords": (
        "servers: {main: {password_file: a, password_env: B}}\nstorages: {disk: {path: s}}",
        "1: servers.main: give one of password_file, password_env and password_command",
    ),
    "a password from a file and from a command": (
        "servers: {main: {password_file: a, password_command: [b]}}\nstorages: {disk: {path: s}}",
        "1: servers.main: give one of password_file, password_env and password_command",
    ),
    "a port that is none": (
        "servers: {main: {port: 70000}}\nstorages: {disk: {path: s}}",
        "1: servers.main.port: must be a port from 1 to 65535, or a list of them",
    ),
    "ports for other hosts": (
        "servers: {main: {host: [a, b, c], port: [1, 2]}}\nstorages: {disk: {path: s}}",
        "1: servers.main: port is a list: give one for each host, or one port for all",
    ),
    "a command that is a line of a shell": (
        "servers: {main: {password_command: cat secret}}\nstorages: {disk: {path: s}}",
        "1: servers.main.password_command: must be a list: write [one, two]",
    ),
    "both passwords of the role that restores": (
        "servers:\n  main:\n    restore_role: {user: a, password_file: a, password_env: B}\n"
        "storages: {disk: {path: s}}",
        "3: servers.main.restore_role: give one of password_file, password_env and password_command",
    ),
    "a format of the other type": (
        "servers: {main: {}}\nstorages: {disk: {path: s}}\nplans:\n"
        "  a: {server: main, backup_type: physical, format: custom}",
        "4: plans.a: format 'custom' does not fit a physical plan: use tar",
    ),
    "databases of a physical plan": (
        "servers: {main: {}}\nstorages: {disk: {path: s}}\nplans:\n"
        "  a: {server: main, backup_type: physical, databases: [shop]}",
        "4: plans.a: a physical plan backs up the whole server",
    ),
    "an incremental logical plan": (
        "servers: {main: {}}\nstorages: {disk: {path: s}}\nplans:\n"
        "  a: {server: main, backup_type: logical, incremental: {enabled: true}}",
        "4: plans.a: incremental backups are physical",
    ),
    "broken YAML": ("servers:\n  main: {\nstorages: [", "4: (YAML): "),
    "a tab": ("servers:\n\tmain: {}", "2: (YAML): "),
    "an empty file": ("", "1: (file): must be a mapping with servers and storages"),
    "a list": ("- servers", "1: (file): must be a mapping with servers and storages"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_with_its_place(file: Path, case: str) -> None:
    text, sentence = WRONG[case]
    found = problems(file, text)
    assert len(found) == 1
    assert found[0].startswith(sentence)
    assert "hunter2" not in found[0]


def test_all_errors_at_once_in_the_order_of_the_file(file: Path) -> None:
    found = problems(
        file,
        "servers:\n  main:\n    hots: x\n    port: 70000\nstorages:\n  disk: {}\n"
        "plans:\n  a: {server: main}\n",
    )
    assert [line.partition(":")[0] for line in found] == ["3", "4", "6", "8"]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda file: None, "No such file"),
        (lambda file: file.mkdir(), "it is a folder"),
        (lambda file: file.write_bytes(b"\xff"), "no UTF-8 text"),
    ],
    ids=["missing", "a folder", "binary"],
)
def test_a_file_that_cannot_be_read(file: Path, make: Any, reason: str) -> None:
    make(file)
    for read in (load.load, locate_catalog.named_by):
        with pytest.raises(errors.ConfigError, match=reason):
            read(file)
