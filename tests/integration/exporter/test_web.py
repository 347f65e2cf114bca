"""TLS, client certificates, passwords and headers, as the web configuration file asks for them."""

import base64
import http.client
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.dashboards.prometheus import Prometheus
from tests.integration.exporter.running import Exporter
from tests.integration.exporter.test_exporter import configure, ended
from tests.integration.exporter.web_config import (
    HASH,
    PASSWORD,
    mutual,
    serving,
    tls,
    with_certificate,
    write,
)
from tests.support.certificates import Authority

WITH_PASSWORD = {"Authorization": "Basic " + base64.b64encode(f"alice:{PASSWORD}".encode()).decode()}
EVERY_PATH = ("/", "/metrics", "/-/healthy", "/-/ready", "/nowhere")


def status(exporter: Exporter, path: str = "/-/healthy", method: str = "GET", **headers: str) -> int:
    """The status of an answer; 0 where there was none, because the connection was refused or cut."""
    try:
        with exporter.open(path, headers=headers, method=method) as response:
            return response.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except (OSError, http.client.HTTPException):
        return 0


def test_prometheus_scrapes_with_a_client_certificate_and_a_password(
    tmp_path: Path, authority: Authority
) -> None:
    document = {"tls_server_config": mutual(authority), "basic_auth_users": {"alice": HASH}}
    folder = authority.file.parent
    certificate = {"cert_file": str(folder / "client.pem"), "key_file": str(folder / "client.key")}
    password = {"username": "alice", "password": PASSWORD}
    jobs: dict[str, dict[str, Any]] = {
        "both": {"tls_config": {"ca_file": str(authority.file), **certificate}, "basic_auth": password},
        "no_password": {"tls_config": {"ca_file": str(authority.file), **certificate}},
        "no_certificate": {"tls_config": {"ca_file": str(authority.file)}, "basic_auth": password},
    }
    jobs = {name: {"scheme": "https", **settings} for name, settings in jobs.items()}
    with serving(tmp_path, document, with_certificate(authority, authority)) as exporter:
        target = exporter.address.removeprefix("https://")
        with Prometheus(tmp_path, target, jobs=jobs) as prometheus:
            expected = {"both": "1", "no_password": "0", "no_certificate": "0"}
            prometheus.until(
                lambda: (
                    {each["metric"]["job"]: each["value"][1] for each in prometheus.instant("up")} == expected
                ),
                "three scrapes, of which one is let in",
            )
            found = prometheus.instant("backup_exporter_build_info")
    assert [each["metric"]["job"] for each in found] == ["both"]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("NoClientCert", {"none": 200, "ours": 200, "foreign": 200}),
        ("VerifyClientCertIfGiven", {"none": 200, "ours": 200, "foreign": 0}),
        ("RequireAndVerifyClientCert", {"none": 0, "ours": 200, "foreign": 0}),
    ],
)
def test_who_is_let_in_under_each_policy(
    tmp_path: Path, authority: Authority, stranger: Authority, policy: str, expected: dict[str, int]
) -> None:
    asked = {} if policy == "NoClientCert" else {"client_ca_file": str(authority.file)}
    document = {"tls_server_config": tls(authority, client_auth_type=policy, **asked)}
    clients = {
        "none": authority.client(),
        "ours": with_certificate(authority, authority),
        "foreign": with_certificate(authority, stranger),
    }
    with serving(tmp_path, document, clients["none"]) as exporter:
        found = {}
        for name, client in clients.items():
            exporter.tls = client
            found[name] = status(exporter)
    assert found == expected


@pytest.mark.parametrize(
    ("sans", "expected"),
    [(["prometheus.example"], 200), (["other.example", "10.0.0.7"], 200), (["other.example"], 403)],
)
def test_a_certificate_must_name_one_of_the_allowed_sans(
    tmp_path: Path, authority: Authority, sans: list[str], expected: int
) -> None:
    document = {"tls_server_config": mutual(authority, client_allowed_sans=sans)}
    with serving(tmp_path, document, with_certificate(authority, authority)) as exporter:
        assert {status(exporter, path) for path in ("/metrics", "/-/healthy")} == {expected}


def test_every_page_asks_for_the_password_and_says_the_headers(tmp_path: Path) -> None:
    headers = {"X-Frame-Options": "deny", "Content-Security-Policy": "default-src 'self'"}
    document = {"basic_auth_users": {"alice": HASH}, "http_server_config": {"headers": headers}}
    with serving(tmp_path, document) as exporter:
        exporter.until(lambda: status(exporter, "/-/ready", **WITH_PASSWORD) == 200)
        assert {status(exporter, path) for path in EVERY_PATH} == {401}
        assert status(exporter, "/-/reload", "POST") == 401
        answers = [status(exporter, path, **WITH_PASSWORD) for path in EVERY_PATH]
        assert answers == [200, 200, 200, 200, 404]
        assert status(exporter, "/-/reload", **WITH_PASSWORD) == 405
        assert status(exporter, "/-/reload", "POST", **WITH_PASSWORD) == 200
        with pytest.raises(urllib.error.HTTPError) as refused:
            exporter.get("/nowhere")
        assert refused.value.headers["WWW-Authenticate"].startswith("Basic realm=")
        with exporter.open("/", headers=WITH_PASSWORD) as landing:
            said = {**landing.headers, **refused.value.headers}
        refused.value.close()
    assert {name: said[name] for name in headers} == headers
    assert said["Server"] == "pgbackstop-exporter"


def test_what_is_no_right_password_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path, {"basic_auth_users": {"alice": HASH}}) as exporter:
        for name, password in (("alice", "x"), ("bob", PASSWORD), ("alice", "y" * 200), ("", "")):
            given = base64.b64encode(f"{name}:{password}".encode()).decode()
            assert status(exporter, Authorization=f"Basic {given}") == 401
        for header in ("", "Basic", "Basic !!!", "Bearer x", "Basic " + base64.b64encode(b"\xff").decode()):
            assert status(exporter, Authorization=header) == 401
        assert status(exporter, **WITH_PASSWORD) == 200
        logged = str(exporter.lines)
    assert PASSWORD not in logged
    assert HASH not in logged


def test_too_many_requests_are_refused(tmp_path: Path) -> None:
    with serving(tmp_path, {"rate_limit": {"interval": "1h", "burst": 2}}) as exporter:
        assert [status(exporter) for _ in range(3)] == [200, 200, 429]


def test_a_new_certificate_and_a_new_password_count_without_a_restart(
    tmp_path: Path, authority: Authority
) -> None:
    own = Authority(tmp_path / "own")
    certificate, key = own.issue("server")
    section = {"cert_file": "own/server.pem", "key_file": "own/server.key"}
    trusting = own.client()
    with serving(tmp_path, {"tls_server_config": section}, trusting) as exporter:
        before = served(exporter)
        assert before == ssl.PEM_cert_to_DER_cert(certificate.read_text())
        own.issue("server")  # the files alone, nobody tells the exporter
        exporter.until(lambda: served(exporter) != before)
        write(tmp_path, {"tls_server_config": section, "basic_auth_users": {"alice": HASH}})
        exporter.hang_up()
        exporter.until(lambda: status(exporter) == 401)
        assert status(exporter, **WITH_PASSWORD) == 200
        write(tmp_path, {})
        exporter.hang_up()
        exporter.address = exporter.address.replace("https", "http")
        exporter.until(lambda: status(exporter) == 200)
    assert key.exists()


def served(exporter: Exporter) -> bytes:
    """The certificate that a new connection is shown."""
    host, _, port = exporter.address.removeprefix("https://").partition(":")
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((host, int(port))))


def test_a_broken_file_changes_nothing_and_is_told(tmp_path: Path) -> None:
    with serving(tmp_path, {"basic_auth_users": {"alice": HASH}}) as exporter:
        (tmp_path / "web.yml").write_text("basic_auth_users:\n  alice: secret\nbasic_auth_user: {}\n")
        with pytest.raises(urllib.error.HTTPError) as refused:
            exporter.get("/-/reload", headers=WITH_PASSWORD, method="POST")
        said = refused.value.read().decode()
        assert refused.value.code == 500
        refused.value.close()
        assert "web.yml:2: basic_auth_users.alice: is no bcrypt hash" in said
        assert "web.yml:3: basic_auth_user: unknown key; remove it" in said
        assert "secret" not in said
        assert status(exporter) == 401
        name = "backup_config_last_reload_success"
        bad = exporter.get("/metrics", headers=WITH_PASSWORD).decode()
        assert f"\n{name} 0.0\n" in bad
        assert (
            "is no bcrypt hash"
            in exporter.until(lambda: exporter.logged("kept the old web configuration"))["problem"]
        )
        write(tmp_path, {"basic_auth_users": {"alice": HASH}})
        exporter.until(lambda: f"\n{name} 1.0\n" in exporter.get("/metrics", headers=WITH_PASSWORD).decode())


def test_a_broken_file_at_the_start_is_one_sentence_and_exit_2(tmp_path: Path) -> None:
    flags = (f"--config.file={configure(tmp_path)}", "--web.listen-address=127.0.0.1:0")
    missing = ended(*flags, "--web.config.file=nowhere.yml")
    assert missing.returncode == 2
    assert "The web configuration nowhere.yml cannot be read: No such file" in missing.stderr
    broken = ended(*flags, f"--web.config.file={write(tmp_path, {'tls_server_config': {'cert_file': 'x'}})}")
    assert broken.returncode == 2
    assert "tls_server_config: has no key_file; add it" in broken.stderr
    assert "Traceback" not in missing.stderr + broken.stderr
