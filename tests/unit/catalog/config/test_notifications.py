"""Settings of notifications: what is half-written or of the wrong kind is a sentence, with file and line."""

from pathlib import Path

import pytest

from pgbackstop_catalog.config import load as config_load
from pgbackstop_catalog.config.notifications import Alertmanager, Notifications
from pgbackstop_catalog.config.yaml_file import BadConfig

HEAD = """\
servers:
  main: {}
storages:
  disk:
    path: store
notifications:
"""
MAIL = "  email:\n    to: [a@example.com]\n    sender: b@example.com\n    smarthost: 'mail:25'\n"


def load(folder: Path, text: str) -> Notifications:
    path = folder / "pgbackstop.yaml"
    path.write_text(HEAD + text)
    return config_load.load(path).notifications


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  email:\n    to: [a@b.c]\n    sender: a@b.c\n", "notifications.email.smarthost: is missing"),
        ("  email: yes\n", "notifications.email: must be a mapping"),
        (MAIL + "    user: me\n", "user and password_file belong together"),
        (MAIL + "    password_file: x\n", "user and password_file belong together"),
        (MAIL + "    password: hunter2\n", "a secret must not stand in this file"),
        (MAIL.replace("'mail:25'", "mail"), "smarthost: string should match pattern"),
        (MAIL.replace("[a@example.com]", "[]"), "notifications.email.to: "),
        (MAIL.replace("[a@example.com]", '["a@example.com\\n"]'), "notifications.email.to.0: "),
        ("  slack: {}\n", "notifications.slack.api_url_file: is missing"),
        ("  slack:\n    api_url: https://hooks.slack.com/x\n", "a secret must not stand in this file"),
        ("  slack:\n    api_url_file: x\n    channel: #backups\n", "a name that begins with # needs quotes"),
        ("  telegram:\n    bot_token_file: x\n    chat_id: '@backups'\n", "must be the chat's number"),
        ("  telegram:\n    bot_token_file: x\n    chat_id: '-100'\n", "must be the chat's number"),
        ("  telegram:\n    bot_token_file: x\n    chat_id: 0\n", "must be the chat's number"),
        ("  telegram:\n    bot_token: x\n    chat_id: 1\n", "a secret must not stand in this file"),
        ("  quiet_hours:\n    - start: '25:00'\n", "quiet_hours.0.start: "),
        ("  quiet_hours:\n    - days: [fryday]\n", "quiet_hours.0.days.0: "),
        ("  quiet_hours:\n    - timezone: Berlin\n", "'Berlin' is no time zone"),
        ("  quiet_hours:\n    - start: 07:00\n      end: 07:00\n", "leave no time"),
        ("  group_interval: 0s\n", "group_interval: "),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(BadConfig) as caught:
        load(tmp_path, text)
    assert words in str(caught.value)
    assert f"{tmp_path}/pgbackstop.yaml:" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "hooks.slack.com" not in str(caught.value)


@pytest.mark.parametrize("quotes", ["", "'"])
def test_times_need_no_quotes(tmp_path: Path, quotes: str) -> None:
    """Without them YAML reads 22:00 as a number of base 60, and 07:00 as text."""
    text = f"  quiet_hours:\n    - start: {quotes}22:00{quotes}\n      end: {quotes}07:00{quotes}\n"
    (hours,) = load(tmp_path, text).quiet_hours
    assert (hours.start, hours.end) == ("22:00", "07:00")


def test_files_count_from_the_folder_of_the_configuration(tmp_path: Path) -> None:
    made = load(tmp_path, "  watchdog_url_file: secrets/switch\n  slack: {api_url_file: secrets/slack}\n")
    assert made.watchdog_url_file == tmp_path / "secrets" / "switch"
    assert made.slack is not None
    assert made.slack.api_url_file == tmp_path / "secrets" / "slack"


@pytest.mark.parametrize(
    ("smarthost", "host", "port"),
    [("mail:25", "mail", 25), ("[::1]:465", "::1", 465), ("1.2.3.4:1", "1.2.3.4", 1)],
)
def test_a_smarthost_has_a_host_and_a_port(tmp_path: Path, smarthost: str, host: str, port: int) -> None:
    email = load(tmp_path, MAIL.replace("mail:25", smarthost)).email
    assert email is not None
    assert (email.host, email.port) == (host, port)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://127.0.0.1", "must be an address"),
        ("http://", "must be an address"),
        ("http://me:hunter2@127.0.0.1:9093", "a secret must not stand in this file"),
    ],
)
def test_addresses_that_are_none(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Alertmanager(url=url)
