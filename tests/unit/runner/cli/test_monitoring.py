"""`pgbackstop monitoring export` as a program, and what the wheel holds of it."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.support import forks

ROOT = Path(__file__).parents[4]
CONFIG = """\
servers: {main: {}}
storages: {disk: {path: store}}
plans: {p: {server: main, backup_type: logical}}
"""
SHIPPED = {
    "rules/pgbackstop.rules.yml": "alerts/pgbackstop.rules.yml",
    "rules/prometheus.rules.yml": "alerts/prometheus.rules.yml",
    "kubernetes/prometheusrule.yaml": "alerts/kubernetes/prometheusrule.yaml",
    **{f"dashboards/{path.name}": f"dashboards/{path.name}" for path in (ROOT / "dashboards").glob("*.json")},
}


def export(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return forks.run(*arguments, cwd=folder)


def test_everything_is_written_and_again_over_an_earlier_version(tmp_path: Path) -> None:
    for _ in range(2):
        done = export(tmp_path, "monitoring", "export", "out", "--exporter", "backup.example.org:9853")
        assert done.returncode == 0, done.stderr
        assert "alertmanager.yml is left out: There is no configuration" in done.stderr
        written = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")}
        assert written == {*SHIPPED, "prometheus.yml"}
        for name, original in SHIPPED.items():
            assert (tmp_path / "out" / name).read_bytes() == (ROOT / original).read_bytes()
            assert (tmp_path / "out" / name).stat().st_mode & 0o777 == 0o644
    scrape = yaml.safe_load((tmp_path / "out" / "prometheus.yml").read_text())
    assert scrape["scrape_configs"][0]["static_configs"] == [{"targets": ["backup.example.org:9853"]}]
    assert scrape["rule_files"] == [f"{tmp_path}/out/rules/*.rules.yml"]


def test_alertmanager_is_told_of_the_channels(tmp_path: Path) -> None:
    (tmp_path / "hook").write_text("https://hooks.slack.example/services/T/B/x\n")
    channel = {"notifications": {"slack": {"api_url_file": str(tmp_path / "hook"), "channel": "#backups"}}}
    (tmp_path / "pgbackstop.yaml").write_text(CONFIG + json.dumps(channel)[1:-1] + "\n")
    done = export(tmp_path, "monitoring", "export", "out")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "out" / "alertmanager.yml").read_text()
    assert str(tmp_path / "hook") in text
    assert "hooks.slack.example" not in text


def test_without_a_channel_there_is_no_configuration_of_alertmanager(tmp_path: Path) -> None:
    (tmp_path / "pgbackstop.yaml").write_text(CONFIG)
    done = export(tmp_path, "monitoring", "export", "out")
    assert done.returncode == 0
    assert "no channel under notifications" in done.stderr
    assert not (tmp_path / "out" / "alertmanager.yml").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("out", "--exporter", "nowhere"), "is not a valid address of the exporter"),
        (("out", "--exporter", 'a:1"]\nx'), "is not a valid address of the exporter"),
        (("out", "--grafana-url", "grafana"), "is not a valid address of Grafana"),
        (("a file",), "cannot be written: Not a directory"),
    ],
)
def test_what_it_refuses(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    (tmp_path / "a file").write_text("")
    done = export(tmp_path, "monitoring", "export", *arguments)
    assert done.returncode == 2
    assert words in done.stderr


def test_the_wheel_holds_all_of_it(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        for name, original in SHIPPED.items():
            assert opened.read(f"pgbackstop_runner/monitoring/{name}") == (ROOT / original).read_bytes()
        unit = ROOT / "packaging" / "systemd" / "pgbackstop.service"  # schedules are made from it
        assert opened.read("pgbackstop_runner/schedules/pgbackstop.service") == unit.read_bytes()
