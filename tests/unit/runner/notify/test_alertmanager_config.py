"""Alertmanager's configuration: what stands in it for which settings, and that Alertmanager accepts it."""

import itertools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.config.notifications import Notifications
from pgbackstop_runner.notify import alertmanager_config, event_alerts, events

TOKEN = "123:abc_-Z"
WEBHOOK = "https://hooks.slack.com/services/T/B/secret"
PASSWORD = "p\"ä'ss: #word"
SWITCH = "https://hc-ping.example/uuid"
RULES = Path(__file__).parents[4] / "alerts" / "pgbackstop.rules.yml"
ADDRESS = "https://own.example/{}/secret"
CHANNELS = (
    "email",
    "slack",
    "telegram",
    "discord",
    "pagerduty",
    "opsgenie",
    "webhook",
    "watchdog_url_file",
    "quiet_hours",
)


EVERY_SECRET = {TOKEN, SWITCH, WEBHOOK, PASSWORD, "routing-key", "api-key", "bearer-token"}
EVERY_SECRET |= {ADDRESS.format(name) for name in ("discord", "webhook")}


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Every setting of every channel."""
    folder = tmp_path_factory.mktemp("secrets")
    secrets = {"smtp": PASSWORD, "slack": WEBHOOK, "telegram": TOKEN, "switch": SWITCH}
    secrets |= {name: ADDRESS.format(name) for name in ("discord", "webhook")}
    secrets |= {"pagerduty": "routing-key", "opsgenie": "api-key", "token": "bearer-token"}
    for name, text in secrets.items():
        (folder / name).write_text(text + "\n")
    return {
        "email": {
            "to": ["dba@example.com", "night@example.com"],
            "sender": "pgbackstop@example.com",
            "smarthost": "smtp.example.com:587",
            "user": "me: 'and' \"you\"",
            "password_file": str(folder / "smtp"),
            "ca_file": "/etc/ssl/own ca.pem",
        },
        "slack": {"api_url_file": str(folder / "slack"), "channel": "#back: 'ups'"},
        "telegram": {"bot_token_file": str(folder / "telegram"), "chat_id": -1001234567890},
        "discord": {"webhook_url_file": str(folder / "discord")},
        "pagerduty": {"routing_key_file": str(folder / "pagerduty")},
        "opsgenie": {"api_key_file": str(folder / "opsgenie")},
        "webhook": {"url_file": str(folder / "webhook"), "token_file": str(folder / "token")},
        "watchdog_url_file": str(folder / "switch"),
        "quiet_hours": [{"days": ["friday"], "start": "22:00", "end": "07:00", "timezone": "Europe/Berlin"}],
        "grafana_url": "https://grafana.example/sub/",
    }


def rendered(settings: dict[str, Any], **options: Any) -> Any:
    """The document as Alertmanager reads it."""
    return yaml.safe_load(alertmanager_config.render(Notifications.model_validate(settings), **options).text)


def receiver(document: Any, name: str) -> Any:
    (found,) = [each for each in document["receivers"] if each["name"] == name]
    return found


@pytest.fixture(scope="module")
def amtool() -> str:
    found = shutil.which("amtool")
    if found is None:
        pytest.skip("amtool is not installed: Debian's package prometheus-alertmanager has it")
    return found


def combinations() -> list[tuple[str, ...]]:
    """None, each alone, each pair, and all."""
    some = [chosen for count in range(3) for chosen in itertools.combinations(CHANNELS, count)]
    return [*some, CHANNELS]


def test_alertmanager_accepts_what_is_combined(
    amtool: str, everything: dict[str, Any], tmp_path: Path
) -> None:
    files = []
    for number, chosen in enumerate(combinations()):
        settings = {name: everything[name] for name in chosen}
        files.append(tmp_path / f"{number}.yml")
        made = alertmanager_config.render(Notifications.model_validate(settings))
        files[-1].write_text(made.text)
        names = {each["name"] for each in yaml.safe_load(made.text)["receivers"]}
        expected = {name.removesuffix("_url_file") for name in settings} - {"quiet_hours"}
        assert {name.removesuffix("-events") for name in names} == expected | {"nobody"}
    answer = subprocess.run([amtool, "check-config", *files], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.count("SUCCESS") == len(files)


def test_values_arrive_as_they_are(everything: dict[str, Any]) -> None:
    document = rendered(everything, embed=True)
    (mail,) = receiver(document, "email")["email_configs"]
    assert mail["auth_username"] == everything["email"]["user"]
    assert mail["auth_password"] == PASSWORD
    assert mail["tls_config"] == {"ca_file": "/etc/ssl/own ca.pem"}
    assert mail["to"] == "dba@example.com, night@example.com"
    assert document["global"]["smtp_require_tls"] is True
    (slack,) = receiver(document, "slack")["slack_configs"]
    assert (slack["api_url"], slack["channel"]) == (WEBHOOK, "#back: 'ups'")
    (telegram,) = receiver(document, "telegram")["telegram_configs"]
    assert (telegram["bot_token"], telegram["chat_id"]) == (TOKEN, -1001234567890)
    assert '$grafana := "https://grafana.example/sub"' in telegram["message"]
    assert receiver(document, "watchdog")["webhook_configs"] == [{"send_resolved": False, "url": SWITCH}]


@pytest.mark.parametrize(
    ("options", "embedded"),
    [
        ({}, {TOKEN, SWITCH, ADDRESS.format("discord"), ADDRESS.format("webhook"), "api-key"}),
        ({"version": (0, 26)}, {ADDRESS.format("discord"), "api-key"}),
        ({"version": (0, 28)}, {"api-key"}),
        ({"version": (1, 0)}, {"api-key"}),
        ({"embed": True, "version": (0, 28)}, EVERY_SECRET),
    ],
)
def test_secrets_stay_in_their_files_where_alertmanager_reads_them(
    everything: dict[str, Any], options: dict[str, Any], embedded: set[str]
) -> None:
    made = alertmanager_config.render(Notifications.model_validate(everything), **options)
    assert made.holds_secrets is bool(embedded)
    text = json.dumps(yaml.safe_load(made.text), ensure_ascii=False)
    assert {each for each in EVERY_SECRET if json.dumps(each, ensure_ascii=False)[1:-1] in text} == embedded


def test_send_resolved_is_said_everywhere(everything: dict[str, Any]) -> None:
    for each in rendered(everything)["receivers"]:
        for kind, (settings,) in ((kind, value) for kind, value in each.items() if kind != "name"):
            is_event = each["name"].endswith("-events") and kind not in PAGERS
            assert settings["send_resolved"] is not (is_event or each["name"] == "watchdog")


PAGERS = {"pagerduty_configs", "opsgenie_configs"}


def test_a_pager_hears_no_news_and_every_end(everything: dict[str, Any]) -> None:
    """An incident that nothing ends stays open, and a good backup is none."""
    document = rendered(everything)
    for route in document["route"]["routes"]:
        first_of_news = [each for each in route.get("routes", []) if each["matchers"] == ['severity="info"']]
        is_pager = f"{route['receiver']}_configs" in PAGERS
        assert [each["receiver"] for each in first_of_news] == (["nobody"] if is_pager else [])
        if is_pager:
            matchers = [each["matchers"] for each in route["routes"]]
            assert matchers.index(['severity="info"']) == 1  # after the test alone, before every other event


def test_teams_needs_an_alertmanager_that_knows_its_workflows(tmp_path: Path) -> None:
    (tmp_path / "teams").write_text(ADDRESS.format("teams"))
    settings = {"teams": {"webhook_url_file": str(tmp_path / "teams")}}
    with pytest.raises(errors.ConfigError, match=r"needs Alertmanager 0\.28 or later") as caught:
        rendered(settings)
    assert "--alertmanager-version 0.28" in caught.value.remedy
    (teams,) = receiver(rendered(settings, version=(0, 28)), "teams")["msteamsv2_configs"]
    assert teams["webhook_url_file"] == str(tmp_path / "teams")


def test_quiet_hours_hold_back_no_critical_alert(everything: dict[str, Any]) -> None:
    def muted(route: dict[str, Any]) -> list[list[str]]:
        below = [found for each in route.get("routes", []) for found in muted(each)]
        return [*([route["matchers"]] if "mute_time_intervals" in route else []), *below]

    news = 'alertname=~"BackupFinished|DrillFinished|RestoreStarted|RestoreFinished|RestoreFailed"'
    found = muted(rendered(everything)["route"])
    # A damaged copy is a warning, and comes by the road of damaged backups, which are none.
    assert sorted(found) == sorted([[news], ['severity="warning"'], ['severity=~"warning|info"']] * 7)
    assert muted(rendered({**everything, "quiet_hours": []})["route"]) == []


def test_whoever_wants_no_news_of_good_backups(everything: dict[str, Any]) -> None:
    good = {"receiver": "nobody", "matchers": ['alertname=~"BackupFinished|DrillFinished"']}
    assert good not in rendered(everything)["route"]["routes"]
    assert good in rendered({**everything, "finished": False})["route"]["routes"]


def test_durations_are_written_as_prometheus_reads_them() -> None:
    route = rendered({"group_wait": 0, "group_interval": "1m30s", "repeat_interval": 0.5})["route"]
    assert (route["group_wait"], route["group_interval"], route["repeat_interval"]) == ("0s", "90s", "500ms")


def test_the_end_of_an_alert_is_told_once() -> None:
    """Prometheus sends it again every 90 s or so: resend delay, and the evaluation after it."""
    route = rendered({})["route"]
    assert units.parse_duration(route["group_interval"]) >= 1.3 * 90


def test_news_last_a_little_longer_than_further_ones_wait(everything: dict[str, Any]) -> None:
    """Shorter, some would never be told; much longer, old news would be told again beside new ones."""
    channel = rendered(everything)["route"]["routes"][-1]
    news = next(each for each in channel["routes"] if "BackupFinished" in each["matchers"][0])
    waits = units.parse_duration(news["group_interval"])
    assert 0 < events.GOOD_NEWS.total_seconds() - waits <= 60


def test_every_alert_that_is_named_exists() -> None:
    rules = yaml.safe_load(RULES.read_text())
    known = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    known |= set(event_alerts.ALERT_NAMES.values())
    document = rendered({"slack": None})
    matchers = [each for rule in document["inhibit_rules"] for each in rule["source_matchers"]]
    matchers += [each for rule in document["inhibit_rules"] for each in rule["target_matchers"]]
    patterns = [found for each in matchers for found in re.findall(r'^alertname(?:=~?|!=)"(.+)"$', each)]
    named = [name for pattern in patterns for name in pattern.split("|")]
    assert named
    assert [name for name in named if not any(re.fullmatch(name, each) for each in known)] == []


@pytest.mark.parametrize(
    ("text", "version"), [("0.25", (0, 25)), ("v0.28.1", (0, 28)), ("1.0.0-rc.1", (1, 0))]
)
def test_versions(text: str, version: tuple[int, int]) -> None:
    assert alertmanager_config.parse_version(text) == version


@pytest.mark.parametrize("text", ["0.24", "latest", "", "0"])
def test_versions_that_are_none_or_too_old(text: str) -> None:
    with pytest.raises(errors.ConfigError, match=r"0\.25"):
        alertmanager_config.parse_version(text)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file or directory"),
        ("", "is empty"),
        (" \n", "is empty"),
        ("one\ntwo\n", "has 2 lines"),
        (b"\xff\xfe", "it is no UTF-8 text"),
        ("hooks.slack.com/services/secret", "is no address of Slack's webhook"),
        ("https://hooks slack.com/secret", "is no address of Slack's webhook"),
        ("https://[/secret", "is no address of Slack's webhook"),
    ],
)
def test_a_secret_that_is_none_is_one_sentence(
    tmp_path: Path, content: str | bytes | None, words: str
) -> None:
    path = tmp_path / "slack"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(errors.ConfigError) as caught:
        alertmanager_config.render(Notifications.model_validate({"slack": {"api_url_file": str(path)}}))
    assert words in caught.value.problem
    assert str(path) in caught.value.problem
    assert caught.value.remedy
    assert "secret" not in str(caught.value).replace(str(path), "")


def test_a_token_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("bot123:abc\n")
    settings = {"telegram": {"bot_token_file": str(tmp_path / "token"), "chat_id": 1}}
    with pytest.raises(errors.ConfigError, match="is no token of a Telegram bot"):
        alertmanager_config.render(Notifications.model_validate(settings))


def test_no_other_command_waits_for_jinja() -> None:
    modules = "pgbackstop_runner.cli.notify, pgbackstop_runner.notify.backup_events"
    code = f"import sys, {modules}; print('jinja2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
