"""The units that are shipped, and what systemd is told."""

import configparser
import shlex
import shutil
import socket
import subprocess
import tomllib
from pathlib import Path

import pytest

from pgbackstop_exporter import main
from tests.integration.exporter.running import DEADLINE, Exporter
from tests.integration.exporter.test_exporter import configure
from tests.support.factories import catalog

ROOT = Path(__file__).parents[3]
UNITS = ROOT / "packaging" / "systemd"
NAMES = ("pgbackstop.service", "pgbackstop-exporter.service")
PREFIX = "/opt/pgbackstop/bin/"


def service(name: str) -> dict[str, str]:
    """The section Service; keys as they are written."""
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string((UNITS / name).read_text())
    assert parser["Install"]["WantedBy"] == "multi-user.target"
    return dict(parser["Service"])


@pytest.mark.parametrize("name", NAMES)
def test_a_unit_starts_a_program_of_ours_with_few_rights(name: str) -> None:
    found = service(name)
    program = found["ExecStart"].split()[0]
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert program.removeprefix(PREFIX) in scripts
    yes = ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "RestrictSUIDSGID")
    assert {found[key] for key in yes} == {"yes"}
    assert found["ProtectSystem"] == "strict"
    assert (found["CapabilityBoundingSet"], found["AmbientCapabilities"]) == ("", "")
    assert found["User"] == name.removesuffix(".service")
    assert found["UMask"] == "0077"


def test_the_exporter_understands_its_flags_and_may_write_nowhere() -> None:
    found = service("pgbackstop-exporter.service")
    arguments = shlex.split(found["ExecStart"])[1:]
    assert arguments.pop() == "$PGBACKSTOP_EXPORTER_FLAGS"
    assert main.parser().parse_args(arguments).config == Path("/etc/pgbackstop/pgbackstop.yaml")
    assert "ReadWritePaths" not in found
    assert found["Type"] == "notify"
    assert service("pgbackstop.service")["ReadWritePaths"] == "/var/lib/pgbackstop"


@pytest.mark.parametrize("name", NAMES)
def test_systemd_finds_nothing_to_say(name: str, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:  # its keys are looked at above; a machine without systemd cannot judge them
        return
    unit = tmp_path / name
    program = service(name)["ExecStart"].split()[0]
    unit.write_text((UNITS / name).read_text().replace(program, "/bin/true"))  # ours is not installed there
    answer = subprocess.run(
        [analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    said = [line for line in answer.stderr.splitlines() if name in line]
    assert said == []


@pytest.mark.parametrize("is_abstract", [False, True])
def test_it_says_when_it_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_abstract: bool) -> None:
    catalog(tmp_path)
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.settimeout(DEADLINE)
        channel.bind("\0" + path if is_abstract else path)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + path if is_abstract else path)
        with Exporter(configure(tmp_path)) as exporter:
            assert channel.recv(100) == b"READY=1"
            assert exporter.get("/-/healthy")


def test_nobody_who_listens_for_that_any_more_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog(tmp_path)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    with Exporter(configure(tmp_path)) as exporter:
        assert exporter.get("/-/healthy")
