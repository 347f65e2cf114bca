"""The files of the stack, without an engine: what compose.yaml promises of every service, and that each
thing that one file names is there in the other."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.stack.engine import compose_program

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "compose"
EXAMPLE = (ROOT / ".env.example").read_text()
# The name of a variable that compose.yaml reads.
VARIABLE = re.compile(r"\$\{([A-Z_]+)")
ONE_SHOT = "setup"


def settings() -> dict[str, str]:
    """Of .env.example, with their values there."""
    lines = [line for line in EXAMPLE.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def config(env_file: Path, *, profiles: tuple[str, ...] = ("demo",)) -> dict[str, Any]:
    """compose.yaml as Compose understands it."""
    command = [str(compose_program()), f"--env-file={env_file}", *(f"--profile={each}" for each in profiles)]
    command += ["config", "--format=json"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env={"HOME": "/"})
    assert answer.returncode == 0, answer.stderr
    assert "level=warning" not in answer.stderr
    return dict(json.loads(answer.stdout))


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return config(COMPOSE / "demo.env")


@pytest.fixture(scope="module")
def services(project: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return dict(project["services"])


def test_the_parts_are_there(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == {
        "setup", "runner", "exporter", "postgres-exporter", "prometheus", "alertmanager", "grafana",
        "demo-postgres", "demo-shop",
    }  # fmt: skip
    others = config(COMPOSE / "demo.env", profiles=())["services"]
    assert "runner" in others


def test_no_service_may_do_more_than_it_needs(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert int(service["user"].partition(":")[0]) > 0, name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not {"cap_add", "devices", "pid", "privileged", "userns_mode"} & set(service), name
        assert service.get("network_mode") in ({"none"} if name == ONE_SHOT else {None}), name


def test_the_exporter_has_an_account_of_its_own_and_writes_nowhere(
    services: dict[str, dict[str, Any]],
) -> None:
    exporter, runner = services["exporter"], services["runner"]
    assert exporter["user"].partition(":")[0] != runner["user"].partition(":")[0]
    assert exporter["user"].partition(":")[2] == runner["user"].partition(":")[2]
    assert all(volume["read_only"] for volume in exporter["volumes"])
    assert {volume["source"] for volume in exporter["volumes"]} == {"exporter-config", "backups"}


def test_ports_are_open_to_this_host_only(services: dict[str, dict[str, Any]]) -> None:
    ports = {name: port for name, service in services.items() for port in service.get("ports", [])}
    assert set(ports) == {"exporter", "prometheus", "alertmanager", "grafana", "demo-shop", "runner"}
    assert {port["host_ip"] for port in ports.values()} == {"127.0.0.1"}


def test_every_image_is_pinned(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        tag = service["image"].rpartition(":")[2]
        assert re.match(r"v?\d+\.\d+", tag), f"{name}: {service['image']}"
    for dockerfile in COMPOSE.glob("*/Dockerfile"):
        text = dockerfile.read_text()
        assert "# syntax=" not in text
        assert "<<" not in text, "an engine of 20.10 with the old builder knows no heredoc"
        stages = set(re.findall(r" AS (\S+)", text))
        bases = set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) - stages
        assert all(re.search(r":(\d+\.\d+\.\d+|\$\{POSTGRES_VERSION\})-", base) for base in bases)
        assert re.search(r"^USER [1-9]", text, re.MULTILINE), dockerfile
        assert "--require-hashes" in text


def test_every_service_tells_its_health(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        if name == ONE_SHOT:
            assert service["restart"] == "no"
            continue
        check = service["healthcheck"]
        assert check["test"][0] == "CMD", name
        assert {"interval", "timeout", "retries", "start_period"} <= set(check), name
        assert "start_interval" not in check, "needs an engine of 25"
        assert service["restart"] == "unless-stopped", name
        assert service["logging"]["options"]["max-size"], name


def test_setup_comes_first(services: dict[str, dict[str, Any]]) -> None:
    for name in set(services) - {ONE_SHOT, "prometheus"}:
        needed = services[name]["depends_on"][ONE_SHOT]
        assert needed["condition"] == "service_completed_successfully", name
    assert services["prometheus"]["depends_on"].keys() == {"exporter", "alertmanager"}


def test_no_secret_is_in_an_environment(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for key, value in service.get("environment", {}).items():
            if re.search("PASS|TOKEN|SECRET|KEY$", key):
                assert key.endswith("_FILE"), f"{name}: {key}"
                assert str(value).startswith("/run/"), f"{name}: {key}"


def test_each_volume_of_secrets_has_one_reader(services: dict[str, dict[str, Any]]) -> None:
    readers: dict[str, set[str]] = {}
    for name, service in services.items():
        for mount in service.get("volumes", []):
            if mount["type"] == "volume" and name != ONE_SHOT:
                readers.setdefault(mount["source"], set()).add(name)
                if mount["source"] not in {"backups"} and not mount["source"].endswith("-data"):
                    assert mount["read_only"] is True, (name, mount)
    assert readers["grafana-secrets"] == {"grafana"}
    assert readers["postgres-exporter-secrets"] == {"postgres-exporter"}
    assert readers["demo-secrets"] == {"demo-postgres"}
    assert readers["demo-shop-secrets"] == {"demo-shop"}
    assert readers["config"] == {"runner"}
    assert readers["exporter-config"] == {"exporter"}
    assert readers["alertmanager-config"] == {"alertmanager", "runner"}


def test_scripts_are_programs() -> None:
    """The entry point of PostgreSQL's image would read another into itself, with all that it sets."""
    for script in COMPOSE.glob("*/*.sh"):
        assert script.stat().st_mode & 0o111, script


def test_what_is_mounted_is_there(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for mount in service.get("volumes", []):
            if mount["type"] == "bind":
                assert Path(mount["source"]).exists(), (name, mount)
                assert mount["read_only"] is True, (name, mount)


def test_every_setting_is_used_and_explained() -> None:
    text = (ROOT / "compose.yaml").read_text()
    assert set(settings()) == set(VARIABLE.findall(text)) | {"COMPOSE_PROFILES"}
    before = ""
    for line in EXAMPLE.splitlines():
        if line and not line.startswith("#"):
            assert before, f"{line}: no comment above it"
        if not line:
            before = ""
        elif line.startswith("#") and not line.startswith("# ---"):
            before = line


def test_the_defaults_are_the_examples() -> None:
    """What .env.example shows is what leaving it out means."""
    text = (ROOT / "compose.yaml").read_text()
    needed = {"POSTGRES_PASSWORD_FILE", "POSTGRES_HOST"}
    for name, default in re.findall(r"\$\{([A-Z_]+):-([^${}]*)\}", text):
        if name not in needed and default != "/dev/null":
            assert settings()[name] == default, name


def test_the_example_alone_asks_for_the_server(tmp_path: Path) -> None:
    command = [str(compose_program()), f"--env-file={ROOT / '.env.example'}", "config", "--quiet"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env={"HOME": "/"})
    assert answer.returncode != 0
    assert "POSTGRES_HOST is missing a value: set it in .env to where your PostgreSQL is" in answer.stderr


def test_a_filled_example_is_accepted(tmp_path: Path) -> None:
    env = tmp_path / "env"
    env.write_text(EXAMPLE.replace("POSTGRES_HOST=\n", "POSTGRES_HOST=db.example\n"))
    found = config(env, profiles=())
    assert "demo-postgres" not in found["services"]
    assert found["services"]["setup"]["environment"]["POSTGRES_HOST"] == "db.example"


def test_prometheus_accepts_its_configuration(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: Debian's package prometheus has it")
    text = (COMPOSE / "prometheus" / "prometheus.yml").read_text()
    text = text.replace("/etc/prometheus/alerts", str(ROOT / "alerts"))
    text = text.replace("/etc/prometheus/stack", str(COMPOSE / "prometheus" / "stack"))
    (tmp_path / "prometheus.yml").write_text(text)
    command = [promtool, "check", "config", "--lint=all", "--lint-fatal", str(tmp_path / "prometheus.yml")]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert f"{ROOT}/alerts/pgbackstop.rules.yml" in answer.stdout


def test_prometheus_scrapes_and_keeps_what_was_asked_for(services: dict[str, dict[str, Any]]) -> None:
    document = yaml.safe_load((COMPOSE / "prometheus" / "prometheus.yml").read_text())
    assert document["global"]["scrape_interval"] == "15s"
    assert document["global"]["evaluation_interval"] == "30s"
    assert "--storage.tsdb.retention.time=30d" in services["prometheus"]["command"]
    targets = [
        target
        for job in document["scrape_configs"]
        for each in job["static_configs"]
        for target in each["targets"]
    ]
    assert {target.partition(":")[0] for target in targets} == {
        "exporter", "postgres-exporter", "alertmanager", "localhost",
    }  # fmt: skip
    assert document["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] == ["alertmanager:9093"]


def test_grafana_finds_its_data_source_and_its_dashboards(services: dict[str, dict[str, Any]]) -> None:
    """Field by field, because no Grafana runs here."""
    provisioning = COMPOSE / "grafana" / "provisioning"
    source = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())
    assert source["apiVersion"] == 1
    (prometheus,) = source["datasources"]
    assert prometheus == {
        "name": "Prometheus",
        "uid": "pgbackstop-prometheus",
        "type": "prometheus",  # what the dashboards' variable "datasource" chooses among
        "access": "proxy",
        "url": "http://prometheus:9090",
        "isDefault": True,
        "editable": False,
        "jsonData": {"httpMethod": "POST", "timeInterval": "15s"},
    }
    dashboards = yaml.safe_load((provisioning / "dashboards" / "pgbackstop.yml").read_text())
    (provider,) = dashboards["providers"]
    assert (provider["type"], provider["orgId"], provider["allowUiUpdates"]) == ("file", 1, False)
    grafana = services["grafana"]
    mounted = {
        mount["target"]: Path(mount["source"]) for mount in grafana["volumes"] if mount["type"] == "bind"
    }
    folder = provider["options"]["path"]
    shown = {target: path for target, path in mounted.items() if target.startswith(f"{folder}/")}
    assert set(shown.values()) == set((ROOT / "dashboards").glob("*.json"))
    assert grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] in shown
    for path in shown.values():
        variables = json.loads(path.read_text())["templating"]["list"]
        assert {"name": "datasource", "query": "prometheus"}.items() <= variables[0].items()


def test_grafana_lets_nobody_in_without_a_password(services: dict[str, dict[str, Any]]) -> None:
    environment = services["grafana"]["environment"]
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert environment["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/run/grafana/admin.password"
    assert "GF_SECURITY_ADMIN_PASSWORD" not in environment


def test_grafana_looks_nothing_up_and_tells_nobody(services: dict[str, dict[str, Any]]) -> None:
    """Where each setting is left out, some version of Grafana asks a server of somebody else's."""
    environment = services["grafana"]["environment"]
    off = {
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES",
        "GF_ANALYTICS_CHECK_FOR_UPDATES",
        "GF_ANALYTICS_REPORTING_ENABLED",
        "GF_NEWS_NEWS_FEED_ENABLED",
        "GF_PLUGINS_PLUGIN_ADMIN_ENABLED",
        "GF_SNAPSHOTS_EXTERNAL_ENABLED",
    }
    disabled = {
        "GF_PLUGINS_PREINSTALL_DISABLED",
        "GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED",
        "GF_SECURITY_DISABLE_GRAVATAR",
    }
    assert {environment[name] for name in off} == {"false"}
    assert {environment[name] for name in disabled} == {"true"}


def test_git_leaves_the_secrets_out() -> None:
    for name in (".env", "secrets/postgres.password"):
        command = ["git", "-C", str(ROOT), "check-ignore", "--quiet", name]
        assert subprocess.run(command, check=False).returncode == 0, name
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*", (
        "images get what is named, and no more"
    )
