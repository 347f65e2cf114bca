"""The stack's own rule: it fires where a real Alertmanager has nobody to tell, whatever else it is told."""

import json
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest

from pgbackstop_catalog.config.notifications import Notifications
from pgbackstop_runner.notify import alertmanager_config
from tests.acceptance.delivery_stack import alertmanager
from tests.support import ports

RULES = Path(__file__).parents[2] / "compose" / "prometheus" / "stack.rules.yml"
METRIC = "alertmanager_integrations"


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("told", [False, True])
def test_alerts_that_reach_nobody_are_seen(tmp_path: Path, *, told: bool, watched: bool) -> None:
    (tmp_path / "secret").write_text("https://hooks.example/secret\n")
    settings: dict[str, object] = {}
    if told:
        settings["slack"] = {"api_url_file": str(tmp_path / "secret")}
    if watched:
        settings["watchdog_url_file"] = str(tmp_path / "secret")
    config = tmp_path / "alertmanager.yml"
    config.write_text(alertmanager_config.render(Notifications.model_validate(settings)).text)
    port = ports.free()
    with (
        alertmanager(tmp_path, config, port),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer,
    ):
        lines = answer.read().decode().splitlines()
    (value,) = [line.split()[1] for line in lines if line.startswith(f"{METRIC} ")]
    assert fires(tmp_path, value) is not told


def fires(folder: Path, value: str) -> bool:
    """Whether the rule fires where Alertmanager says that."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: Debian's package prometheus has it")
    test = {
        "interval": "1m",
        "input_series": [{"series": f'{METRIC}{{job="alertmanager"}}', "values": f"{value}x9"}],
        "promql_expr_test": [
            {
                "expr": 'count(ALERTS{alertname="AlertsReachNobody", alertstate="firing"}) or vector(0)',
                "eval_time": "5m",
                "exp_samples": [{"labels": "{}", "value": 1}],
            }
        ],
    }
    told = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}
    path = folder / "rules.test.yml"
    path.write_text(json.dumps(told))
    done = subprocess.run([promtool, "test", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "{} 0E+00" in done.stderr + done.stdout, done.stderr + done.stdout
    return done.returncode == 0
