"""`pgbackstop doctor` as a program, on this machine and with real servers."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.support import storages
from tests.support.servers import Server


def doctor(folder: Path, path: str = os.environ["PATH"]) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and the findings by what was looked at."""
    done = subprocess.run(
        [sys.executable, "-m", "pgbackstop_runner.main", "doctor", "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={"PATH": path, "HOME": str(folder)},
    )
    assert done.returncode in {0, 3}, done.stderr
    document = json.loads(done.stdout)
    assert document["ok"] == (done.returncode == 0)
    return done.returncode, {each["what"]: each for each in document["findings"]}


def configure(folder: Path, server: Server, **more: Any) -> None:
    (folder / "password").write_text(server.password)
    (folder / "password").chmod(0o600)
    mine = {
        "host": "127.0.0.1",
        "port": server.port,
        "user": "postgres",
        "password_file": "password",
        "bin_dir": str(server.programs.folder),
    }
    document = {
        "servers": {"main": {**mine, **more}},
        "storages": {"disk": {"kind": "folder", "path": "store", "reserve": 0}},
        "plans": {"p": {"server": "main", "backup_type": "logical"}},
    }
    (folder / "pgbackstop.yaml").write_text(yaml.safe_dump(document))


def test_a_new_machine_is_told_the_first_step(tmp_path: Path) -> None:
    _code, found = doctor(tmp_path)
    assert found["configuration"]["state"] == "advice"
    assert "pgbackstop init" in found["configuration"]["remedy"]
    assert {"client tools", "zstd", "lz4", "jail", "clock"} <= set(found)


def test_a_broken_configuration_is_told_with_the_rest(tmp_path: Path) -> None:
    (tmp_path / "pgbackstop.yaml").write_text("servers: {main: {port: none}}\n")
    code, found = doctor(tmp_path)
    assert (code, found["configuration"]["state"]) == (3, "missing")
    assert "servers.main.port" in found["configuration"]["found"]
    assert "clock" in found


def test_the_tools_are_those_of_the_servers_version(tmp_path: Path, server: Server) -> None:
    configure(tmp_path, server)
    storages.create_for(tmp_path / "pgbackstop.yaml")
    _code, found = doctor(tmp_path)
    assert f"for PostgreSQL {server.major}" in found["client tools, server main"]["found"]
    wanted = {"client tools, server main", "server programs, server main", "storage disk", "configuration"}
    assert {found[what]["state"] for what in wanted} == {"ok"}


def test_what_the_configuration_needs_is_missing(tmp_path: Path, pg15: Server, pg17: Server) -> None:
    configure(tmp_path, pg17, bin_dir=str(pg15.programs.folder), wal={"compression": "lz4"})
    (tmp_path / "bin").mkdir()
    code, found = doctor(tmp_path, path=str(tmp_path / "bin"))
    assert code == 3
    assert "too old" in found["client tools, server main"]["found"]
    missing = {"client tools, server main", "server programs, server main", "lz4", "storage disk"}
    assert {found[what]["state"] for what in missing} == {"missing"}
    assert found["zstd"]["state"] == "advice"


def test_a_server_that_is_down_leaves_its_version_open(tmp_path: Path, pg17: Server) -> None:
    configure(tmp_path, pg17, port=1)
    _code, found = doctor(tmp_path)
    assert found["client tools, server main"]["state"] in {"unknown", "missing"}
    assert "Nothing answers" in found["client tools, server main"]["found"]
