"""The console by TLS of its own: served, remembered by a secure cookie, and refused in a sentence."""

import http.client
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from pgbackstop_catalog import errors
from pgbackstop_runner.console import tls
from tests.integration.console.conftest import HASH, Site, configuration, serving
from tests.integration.daemon.conftest import until
from tests.support import ports, storages
from tests.support.certificates import Authority
from tests.support.databases import Database


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    found = Authority(tmp_path / "authority")
    found.issue("server")
    return found


def web_file(authority: Authority, **changes: Any) -> Path:
    file = authority.file.with_name("web.yml")
    pair = {"cert_file": "server.pem", "key_file": "server.key", **changes.pop("tls", {})}
    file.write_text(yaml.safe_dump({"tls_server_config": pair, **changes}))
    return file


def test_it_is_served_by_tls_and_by_nothing_else(
    tmp_path: Path, database: Database, authority: Authority
) -> None:
    file = web_file(authority)
    with serving(tmp_path, database, authority.client(), web_config_file=str(file)) as site:
        otto = site.visit()
        answer = otto.login("otto", Origin=f"https://localhost:{site.port}")
        assert answer.status == 303
        assert "Secure" in answer.headers["Set-Cookie"].split("; ")
        assert otto.get("/").status == 200
        assert otto.post("/plans/shop/backup", Origin=f"http://127.0.0.1:{site.port}").status == 403
        with pytest.raises((OSError, http.client.HTTPException)):
            Site(folder=tmp_path, port=site.port, daemon=site.daemon).visit().get("/login")


def test_a_client_without_a_certificate_is_refused_where_one_is_asked_for(
    tmp_path: Path, database: Database, authority: Authority
) -> None:
    asked = {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "ca.pem"}
    known = authority.client(*authority.issue("anna", "anna@shop.example"))
    file = web_file(authority, tls=asked)
    with serving(tmp_path, database, known, web_config_file=str(file)) as site:
        assert site.visit("otto").get("/").status == 200
        stranger = Site(folder=tmp_path, port=site.port, daemon=site.daemon, context=authority.client())
        with pytest.raises((OSError, http.client.HTTPException)):
            stranger.visit().get("/login")


def test_what_is_wrong_with_it_keeps_the_daemon_from_nothing(
    tmp_path: Path, database: Database, authority: Authority
) -> None:
    document = configuration(database, ports.free())
    document["console"]["web_config_file"] = str(web_file(authority))
    (authority.file.parent / "server.key").unlink()
    file = tmp_path / "pgbackstop.yaml"
    file.write_text(yaml.safe_dump(document))
    storages.create_for(file)
    argv = [sys.executable, "-m", "pgbackstop_runner.main", "--config", str(file)]
    checked = subprocess.run([*argv, "config", "check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 2
    assert "console.web_config_file" in checked.stderr
    assert "server.key cannot be read: No such file" in checked.stderr
    log = tmp_path / "log"
    with log.open("wb") as written:
        daemon = subprocess.Popen([*argv, "daemon"], stderr=written)
    try:
        until(lambda: "daemon started" in log.read_text(), "the daemon runs")
        until(lambda: "the console is not served" in log.read_text(), "it is said")
        assert "server.key cannot be read" in log.read_text()
        assert daemon.poll() is None
    finally:
        daemon.terminate()
        assert daemon.wait(120) == 0


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"basic_auth_users": {"p": HASH}}, "basic_auth_users"),
        ({"rate_limit": {"interval": "1s", "burst": 2}}, "rate_limit"),
        ({"http_server_config": {"headers": {"X-Frame-Options": "deny"}}}, "http_server_config.headers"),
        (
            {
                "tls": {
                    "client_auth_type": "RequireAndVerifyClientCert",
                    "client_ca_file": "ca.pem",
                    "client_allowed_sans": ["anna"],
                }
            },
            "client_allowed_sans",
        ),
    ],
)
def test_what_the_console_does_not_do_is_refused_by_name(
    authority: Authority, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(errors.ConfigError, match=f"does not do {sentence}: it has users") as told:
        tls.read(web_file(authority, **changes))
    assert "Name another file" in told.value.remedy


def test_a_file_without_tls_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "web.yml"
    file.write_text("http_server_config: {http2: false}\n")
    with pytest.raises(errors.ConfigError, match=r"web\.yml: It has no tls_server_config"):
        tls.read(file)


def test_a_certificate_that_has_expired_is_told(authority: Authority) -> None:
    authority.issue("server", until=datetime.now(UTC) - timedelta(days=1))
    assert tls.read(web_file(authority)).warning == "has expired"
