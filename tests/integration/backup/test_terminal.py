"""What a person at a terminal sees of a backup, its proof and a restore: the steps, a bar, no log."""

import re
import sys
from pathlib import Path

import pytest
import yaml

from tests.support import backups, storages, terminal
from tests.support.databases import Database

pytestmark = pytest.mark.integration
SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def seen(folder: Path, *arguments: str) -> list[str]:
    argv = [sys.executable, "-m", "pgbackstop_runner.main", *arguments]
    status, said = terminal.watched(argv, cwd=folder, env={"TERM": "xterm"})
    assert status == 0, said
    assert "level=" not in said
    return SEQUENCE.sub("", said).splitlines()


def has(lines: list[str], pattern: str) -> bool:
    return any(re.match(pattern, line) for line in lines)


def test_steps_are_lines_and_what_runs_is_a_bar(tmp_path: Path, database: Database) -> None:
    document = {
        "servers": {"main": backups.reached(database.server)},
        "storages": {"disk": {"kind": "folder", "path": "store", "reserve": 0}},
        "plans": {
            "shop": {
                "server": "main",
                "backup_type": "logical",
                "databases": [database.name, "postgres"],
                "verify": False,
            }
        },
    }
    file = tmp_path / "pgbackstop.yaml"
    file.write_text(yaml.safe_dump(document))
    storages.create_for(file)
    made = seen(tmp_path, "backup", "shop")
    for step in ("dump", "globals", "commit"):
        for name in (database.name, "postgres"):
            assert has(made, rf"  {step}: database {name}.* in [\d.]+s"), made
    assert has(made, f".* dump {database.name} .*"), made
    for bar in (line for line in made if "━" in line):
        assert not re.search(r"━ +[-|/\\] ", bar), f"two processes drew on one line: {bar}"
    verified = seen(tmp_path, "verify", "shop")
    assert has(verified, ".* read every byte .*"), verified
    assert has(verified, rf"  verify succeeded: database {database.name}, "), verified
    beside = f"{database.name}_beside"
    restored = seen(tmp_path, "restore", "latest", "--database", database.name, "--into", beside)
    for step in ("create", "restore", "analyze", "validate"):
        assert has(restored, rf"  {step}: target {beside}, in "), restored
    Database(server=database.server, name=beside).drop()
