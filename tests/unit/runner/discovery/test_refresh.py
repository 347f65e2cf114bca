"""A source asked: what is kept of what it says, and that nothing that is wrong with it removes a server."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pgbackstop_catalog.config import discovered, load, locate_catalog
from pgbackstop_runner import main, workspace
from pgbackstop_runner.discovery import refresh, statuses
from pgbackstop_runner.workspace import Workspace
from tests.support import storages

CONFIGURATION = """
storages: {disk: {kind: folder, path: store}}
groups:
  payments:
    labels: {tier: gold}
    server: {user: backup, wal: {enabled: false}}
    plans: {logical: {backup_type: logical}}
discovery:
  racks: {files: ["targets/*"], group: payments}
"""
NOW = 1_800_000_000.0


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    (tmp_path / "targets").mkdir()
    return configured(tmp_path, CONFIGURATION)


def configured(folder: Path, text: str) -> Workspace:
    file = folder / "pgbackstop.yaml"
    file.write_text(text)
    if not (folder / "store").exists():
        storages.create_for(file)
    return workspace.open_workspace(file, on_invalid_record=lambda _error: None)


def listed(opened: Workspace, *names: str, **labels: str) -> None:
    targets = [{"targets": [f"{name}:5432" for name in names], "labels": labels}]
    (opened.file.parent / "targets" / "a.json").write_text(json.dumps(targets))


def asked(opened: Workspace, source: str = "racks", **more: Any) -> refresh.Outcome:
    return refresh.refresh(opened, source, NOW, **more)


def servers(opened: Workspace) -> list[str]:
    assert frozenset(load.load(opened.file).plans) == locate_catalog.plans(opened.file)
    return list(opened.reopened().config.servers)


def test_nothing_is_known_before_somebody_asked(opened: Workspace) -> None:
    assert servers(opened) == []
    assert refresh.due(opened, NOW) == ["racks"]
    assert [each.age(NOW) for each in statuses.read(opened)] == ["never"]


def test_what_was_listed_is_configured_with_its_group(opened: Workspace) -> None:
    listed(opened, "pay-1", "pay-2", team="payments")
    yml = "- targets: ['pay-3:6432']\n  labels: {__meta_pgbackstop_name: three}\n"
    (opened.file.parent / "targets" / "b.yml").write_text(yml)
    outcome = asked(opened)
    assert (outcome.problem, outcome.changed, outcome.came) == ("", True, ("pay-1", "pay-2", "three"))
    config = opened.reopened().config
    first, third = config.servers["pay-1"], config.servers["three"]
    assert (first.host, first.user, first.labels) == ("pay-1", "backup", {"tier": "gold", "team": "payments"})
    assert (third.host, third.port) == ("pay-3", 6432)
    assert set(config.plans) == {"pay-1-logical", "pay-2-logical", "three-logical"}
    assert refresh.due(opened, NOW + 59) == []
    assert refresh.due(opened, NOW + 60) == ["racks"]
    assert not asked(opened).changed


def test_the_configuration_s_own_word_counts_more_and_null_leaves_a_server_out(opened: Workspace) -> None:
    listed(opened, "pay-1", "pay-2")
    asked(opened)
    text = CONFIGURATION + "servers: {pay-1: {port: 6432}, pay-2: null}\n"
    config = configured(opened.file.parent, text).config
    assert set(config.servers) == {"pay-1"}
    assert (config.servers["pay-1"].host, config.servers["pay-1"].port) == ("pay-1", 6432)


def test_null_for_a_server_that_no_source_has_is_right(opened: Workspace) -> None:
    config = configured(opened.file.parent, CONFIGURATION + "servers: {pay-2: null}\n")
    assert servers(config) == []
    listed(config, "pay-1", "pay-2")
    assert asked(config).problem == ""
    assert servers(config) == ["pay-1"]
    listed(config, "pay-1")
    assert asked(config).gone == ("pay-2",)
    assert servers(config) == ["pay-1"]


BROKEN = {
    "half a list": '[{"targets": ["pay-1:54',
    "no list": '{"targets": []}',
    "a hostile name": '[{"targets": ["a:1"], "labels": {"__meta_pgbackstop_name": "../../x"}}]',
    "an unknown group": '[{"targets": ["pay-1:1"], "labels": {"__meta_pgbackstop_group": "nobody"}}]',
    "deep": "[" * 100_000,
    "nothing": "",
    "an empty list": "[]",
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_is_told_and_removes_nothing(opened: Workspace, case: str) -> None:
    names = [f"pay-{number}" for number in range(5)]
    listed(opened, *names)
    asked(opened)
    (opened.file.parent / "targets" / "a.json").write_text(BROKEN[case])
    outcome = refresh.refresh(opened, "racks", NOW + 100)
    assert outcome.problem.isprintable()
    assert (outcome.changed, outcome.servers) == (False, 5)
    assert servers(opened) == names
    [status] = statuses.read(opened)
    assert (status.problem, status.servers, status.age(NOW + 160)) == (outcome.problem, 5, "2m40s ago")
    listed(opened, *names)
    assert asked(opened).problem == ""
    assert statuses.read(opened)[0].problem == ""


def test_a_file_that_is_gone_removes_nothing(opened: Workspace) -> None:
    listed(opened, "pay-1")
    asked(opened)
    (opened.file.parent / "targets" / "a.json").unlink()
    assert asked(opened).problem == "no file matches"
    assert servers(opened) == ["pay-1"]


def test_most_servers_do_not_go_at_once_unless_a_person_says_so(opened: Workspace) -> None:
    listed(opened, *(f"pay-{number}" for number in range(10)))
    asked(opened)
    listed(opened, *(f"pay-{number}" for number in range(6)))
    assert asked(opened).gone == ("pay-6", "pay-7", "pay-8", "pay-9")
    listed(opened, "pay-0")
    assert "5 of 6 servers are missing in it" in asked(opened).problem
    assert len(servers(opened)) == 6
    assert asked(opened, accept=True).problem == ""
    assert servers(opened) == ["pay-0"]


def test_an_empty_list_takes_not_even_one_server_away_unless_a_person_says_so(opened: Workspace) -> None:
    listed(opened, "pay-1")
    asked(opened)
    listed(opened)
    assert "1 of 1 servers are missing in it" in asked(opened).problem
    assert servers(opened) == ["pay-1"]
    assert asked(opened, accept=True).gone == ("pay-1",)
    assert asked(opened).problem == ""


def test_two_sources_do_not_tell_of_one_server(opened: Workspace) -> None:
    listed(opened, "pay-1")
    asked(opened)
    text = CONFIGURATION + "  more: {files: [targets/a.json]}\n"
    both = configured(opened.file.parent, text)
    assert asked(both, "more").problem == "server 'pay-1' is discovered by 'racks' already"


def test_what_is_kept_and_damaged_is_told_and_not_taken_for_empty(opened: Workspace) -> None:
    listed(opened, "pay-1")
    asked(opened)
    discovered.servers_file(opened.state.root, "racks").write_text("{")
    told = call(opened, "config", "check")
    assert getattr(told.exception, "exit_code", None) == 2
    assert "What was discovered cannot be read" in str(told.exception)


class Inventory(BaseHTTPRequestHandler):
    status, body, seen = 200, b"[]", dict[str, str]()

    def do_GET(self) -> None:
        type(self).seen = dict(self.headers)
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    Inventory.status, Inventory.body = 200, b'[{"targets": ["pay-1:5432"]}]'
    with HTTPServer(("127.0.0.1", 0), Inventory) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/postgres"
        finally:
            server.shutdown()
            thread.join()


def by_http(folder: Path, address: str) -> Workspace:
    (folder / "token").write_text("s3cret\n")
    (folder / "token").chmod(0o600)
    source = f"{{url: '{address}', token_file: token, group: payments}}"
    return configured(folder, CONFIGURATION.replace('{files: ["targets/*"], group: payments}', source))


def test_an_address_is_asked_with_its_token(tmp_path: Path, address: str) -> None:
    opened = by_http(tmp_path, address)
    assert asked(opened).came == ("pay-1",)
    assert Inventory.seen["Authorization"] == "Bearer s3cret"
    assert servers(opened) == ["pay-1"]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (500, b"[]", "it answers with status 500"),
        (200, b"<html>", "it is no JSON"),
        (200, b" " * (16 * 2**20 + 1), "it has more than 16 MiB"),
    ],
)
def test_an_address_that_gives_no_list_removes_nothing(
    tmp_path: Path, address: str, status: int, body: bytes, words: str
) -> None:
    opened = by_http(tmp_path, address)
    asked(opened)
    Inventory.status, Inventory.body = status, body
    assert asked(opened).problem == words
    assert servers(opened) == ["pay-1"]


def test_an_address_that_is_down_removes_nothing(tmp_path: Path, address: str) -> None:
    opened = by_http(tmp_path, address)
    asked(opened)
    gone = by_http(tmp_path, "http://127.0.0.1:1/postgres")
    assert asked(gone).problem.startswith("no answer: ")
    assert servers(gone) == ["pay-1"]


def call(opened: Workspace, *arguments: str) -> Result:
    return CliRunner().invoke(main.app, ["--config", str(opened.file), *arguments])


def test_the_commands_say_what_came_and_went(opened: Workspace) -> None:
    listed(opened, "pay-1", "pay-2")
    assert call(opened, "discovery", "refresh").stdout == "racks: 2 servers, 2 new, 0 gone.\n"
    listed(opened, "pay-1")
    told = call(opened, "discovery", "refresh", "racks").stdout
    assert "racks: 1 server, 0 new, 1 gone.\npay-2 is gone: its plans stop, its backups stay" in told
    (opened.file.parent / "targets" / "a.json").write_text("{}")
    wrong = call(opened, "discovery", "refresh")
    assert wrong.exit_code == 1
    assert "Its 1 server stays." in wrong.stderr
    [status] = json.loads(call(opened, "discovery", "status", "--json").stdout)
    assert (status["source"], status["servers"]) == ("racks", 1)
    assert "holds no list of targets" in call(opened, "discovery", "status").stdout
    assert getattr(call(opened, "discovery", "refresh", "other").exception, "exit_code", None) == 7


def test_origins_are_shown_before_anything_was_discovered(opened: Workspace) -> None:
    told = call(opened, "config", "show", "--origin")
    assert told.exit_code == 0, told.exception
    assert "discovery.racks.group" in told.stdout


def test_where_a_discovered_value_comes_from_is_told(opened: Workspace) -> None:
    listed(opened, "pay-1", team="payments")
    asked(opened)
    shown = call(opened, "config", "show", "--origin", "pay-1").stdout
    rows = {line.split()[0]: line.split(maxsplit=2)[2].strip() for line in shown.splitlines()}
    assert rows["servers.pay-1.host"] == "discovery racks"
    assert rows["servers.pay-1.labels.team"] == "discovery racks"
    assert rows["servers.pay-1.labels.tier"] == "group payments, line 5"
    assert rows["servers.pay-1.user"] == "group payments, line 6"
