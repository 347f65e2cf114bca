"""Tokens: printed once, kept as a hash, refused when they are over or revoked, audited when made."""

import json
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import utc_now
from pgbackstop_runner import main
from pgbackstop_runner.console import audit, tokens
from pgbackstop_runner.workspace import Workspace
from tests.unit.runner import places

CONFIGURATION = "servers: {main: {}}\nstorages: {disk: {kind: folder, path: store}}\n"


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    (tmp_path / "pgbackstop.yaml").write_text(CONFIGURATION)
    return places.workspace(tmp_path)


def token(opened: Workspace, *arguments: str) -> Result:
    return CliRunner().invoke(main.app, ["--config", str(opened.file), "token", *arguments])


def refuse(error: errors.CatalogError) -> None:
    pytest.fail(str(error))


def test_a_token_is_printed_once_and_kept_as_a_hash(opened: Workspace) -> None:
    made = token(opened, "create", "deploy", "--role", "operator", "--expires", "1h")
    assert made.exit_code == 0, made.output
    secret = made.stdout.strip()
    found = tokens.of(opened, secret, refuse)
    assert found is not None
    assert (found.name, found.role) == ("deploy", "operator")
    assert not found.is_over(utc_now())
    assert found.is_over(utc_now() + timedelta(hours=2))
    file = opened.state.tokens / "deploy.json"
    assert secret not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    listed = token(opened, "list")
    assert "deploy  operator" in listed.stdout
    assert found.sha256 not in listed.stdout + token(opened, "list", "--json").stdout
    assert [line["action"] for line in audit.newest(opened)] == ["token create"]


def test_a_revoked_one_is_unknown_at_once(opened: Workspace) -> None:
    secret = token(opened, "create", "deploy").stdout.strip()
    assert token(opened, "revoke", "deploy").exit_code == 0
    assert tokens.of(opened, secret, refuse) is None
    assert isinstance(token(opened, "revoke", "deploy").exception, errors.NotFound)


@pytest.mark.parametrize(
    "arguments",
    [
        ("../up",),
        ("",),
        ("deploy", "--expires", "soon"),
        ("deploy", "--expires", "0s"),
        ("deploy", "--expires", "1000000d"),
        ("taken",),
    ],
)
def test_what_cannot_be_made_is_refused(opened: Workspace, arguments: tuple[str, ...]) -> None:
    token(opened, "create", "taken")
    refused = token(opened, "create", *arguments)
    assert isinstance(refused.exception, errors.ConfigError)
    assert refused.stdout == ""


def test_a_file_that_is_no_token_lets_nobody_in_and_keeps_nobody_out(opened: Workspace) -> None:
    secret = token(opened, "create", "deploy").stdout.strip()
    (opened.state.tokens / "broken.json").write_text(json.dumps({"name": "broken"}))
    complaints: list[errors.CatalogError] = []
    assert tokens.of(opened, secret, complaints.append) is not None
    assert len(complaints) == 1
    assert tokens.of(opened, "", complaints.append) is None
