"""The configuration that the demo writes is one that pgbackstop and Prometheus read."""

import shutil
import subprocess
from pathlib import Path

import bcrypt
import pytest
import yaml

from pgbackstop_catalog.config import load
from pgbackstop_runner.demo import configuration, state

PORTS = {
    "postgresql": 50001,
    "exporter": 50002,
    "prometheus": 50003,
    "alertmanager": 50004,
    "shop": 50005,
    "console": 50006,
}


@pytest.fixture
def place(tmp_path: Path) -> state.DemoFolder:
    found = state.DemoFolder(folder=tmp_path / "a folder: with #signs")
    found.prepare()
    return found


def test_it_names_servers_storages_and_console_only_and_has_the_default_plans(
    place: state.DemoFolder,
) -> None:
    configuration.write(place, PORTS, Path('/opt/a "bin"'), alertmanager=False)
    assert set(yaml.safe_load(place.configuration.read_text())) == {"servers", "storages", "console"}
    config = load.load(place.configuration)
    schedules = {
        name: (plan.backup_type, plan.effective_schedule().expression, plan.timezone)
        for name, plan in config.plans.items()
    }
    assert schedules == {
        "shop-logical": ("logical", "0 2 * * *", "UTC"),
        "shop-physical": ("physical", "0 3 * * 0", "UTC"),
    }
    server = config.servers["shop"]
    assert (server.port, server.user, server.wal.enabled) == (50001, "pgbackstop", True)
    assert server.bin_dir == Path('/opt/a "bin"')
    assert server.password_file == place.password_file("pgbackstop")
    assert config.catalog_folder() == place.folder / "catalog"


def test_the_console_lets_its_one_user_in_on_this_host(place: state.DemoFolder) -> None:
    configuration.write(place, PORTS, Path("/bin"), alertmanager=False)
    console = load.load(place.configuration).console
    assert console.listen == "127.0.0.1:50006"
    assert "50001" in console.name
    assert {name: user.role for name, user in console.users.items()} == {"demo": "admin"}
    password = place.password("console")
    assert bcrypt.checkpw(password.encode(), console.users["demo"].password_hash.encode())
    assert password not in place.configuration.read_text()


def test_a_restore_may_do_what_it_must_and_stops_the_shop(place: state.DemoFolder) -> None:
    configuration.write(place, PORTS, Path("/bin"), alertmanager=False)
    server = load.load(place.configuration).servers["shop"]
    assert server.for_restores().user == "postgres"
    assert server.for_restores().password_file == place.password_file("postgres")
    hooks = (server.application.stop, server.application.start, server.application.check)
    assert [hook.url if hook else None for hook in hooks] == [
        "http://127.0.0.1:50005/maintenance/stop",
        "http://127.0.0.1:50005/maintenance/start",
        "http://127.0.0.1:50005/health",
    ]


def test_events_go_to_alertmanager_where_there_is_one(place: state.DemoFolder) -> None:
    configuration.write(place, PORTS, Path("/bin"), alertmanager=True)
    found = load.load(place.configuration).notifications.alertmanager
    assert found is not None
    assert found.url == "http://127.0.0.1:50004"


@pytest.mark.parametrize("alertmanager", [True, False])
def test_prometheus_accepts_its_file(place: state.DemoFolder, alertmanager: bool) -> None:
    path = configuration.write_prometheus(place, PORTS, alertmanager=alertmanager)
    content = yaml.safe_load(path.read_text())
    assert content["global"] == {"scrape_interval": "15s", "evaluation_interval": "30s"}
    assert ("alerting" in content) is alertmanager
    _accepts("promtool", "check", "config", str(path))


def test_alertmanager_accepts_its_file(place: state.DemoFolder) -> None:
    _accepts("amtool", "check-config", str(configuration.write_alertmanager(place)))


def _accepts(*argv: str) -> None:
    if shutil.which(argv[0]) is None:
        pytest.skip(f"{argv[0]} is not installed: install Debian's prometheus and prometheus-alertmanager")
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
