"""Prometheus itself answers the same, and judges the same, under the same web configuration file."""

import base64
import contextlib
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from pgbackstop_catalog import errors
from pgbackstop_exporter.web import server
from tests.dashboards.prometheus import program
from tests.integration.exporter.running import DEADLINE
from tests.integration.exporter.web_config import (
    HASH,
    PASSWORD,
    mutual,
    serving,
    tls,
    with_certificate,
    write,
)
from tests.support import ports
from tests.support.certificates import Authority


@contextlib.contextmanager
def prometheus_serving(folder: Path, web_config: Path) -> Iterator[str]:
    """Prometheus itself under that file, as the reader whose format it is; yields host and port."""
    address = f"127.0.0.1:{ports.free()}"
    (folder / "none.yml").write_text("")
    command = [program("prometheus"), f"--config.file={folder / 'none.yml'}"]
    command += [f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address={address}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--web.config.file={web_config}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield address
    finally:
        process.terminate()
        process.wait(DEADLINE)


def asked(address: str, name: str, password: str, client: ssl.SSLContext) -> tuple[int, str | None]:
    """Status and one of the configured headers."""
    given = base64.b64encode(f"{name}:{password}".encode()).decode()
    request = urllib.request.Request(
        f"https://{address}/-/healthy", headers={"Authorization": f"Basic {given}"} if name else {}
    )
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE, context=client) as answer:  # noqa: S310 - see above
            return answer.status, answer.headers["X-Frame-Options"]
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, error.headers["X-Frame-Options"]


def test_prometheus_itself_answers_the_same_under_the_same_file(tmp_path: Path, authority: Authority) -> None:
    document = {
        "tls_server_config": mutual(authority),
        "http_server_config": {"headers": {"X-Frame-Options": "deny"}},
        "basic_auth_users": {"alice": HASH, "bob": bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()},
    }
    client = with_certificate(authority, authority)
    given = [("", ""), ("alice", PASSWORD), ("alice", "no"), ("carol", PASSWORD), ("bob", "x" * 80)]
    with serving(tmp_path, document, client) as exporter:
        ours = [asked(exporter.address.removeprefix("https://"), *each, client) for each in given]

        def theirs() -> list[tuple[int, str | None]]:
            try:
                return [asked(address, *each, client) for each in given]
            except urllib.error.URLError:
                return []  # it does not listen yet

        with prometheus_serving(tmp_path, tmp_path / "web.yml") as address:
            found = exporter.until(theirs)
    assert ours == found
    assert [status for status, _header in ours] == [401, 200, 401, 401, 200]


GOOD: dict[str, dict[str, Any]] = {
    "empty": {},
    "users": {"basic_auth_users": {"alice": HASH}},
    "headers": {"http_server_config": {"http2": False, "headers": {"X-Frame-Options": "sameorigin"}}},
}
BAD: dict[str, dict[str, Any]] = {
    "unknown key": {"tls_config": {}},
    "unknown header": {"http_server_config": {"headers": {"X-Powered-By": "us"}}},
    "header value": {"http_server_config": {"headers": {"X-Frame-Options": "allow"}}},
    "plain password": {"basic_auth_users": {"alice": "secret"}},
}
GOOD_TLS: dict[str, dict[str, Any]] = {
    "certificate": {},
    "versions": {"min_version": "TLS12", "max_version": "TLS12"},
    "suites": {"cipher_suites": ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"]},
    "curve": {"curve_preferences": ["CurveP384"], "prefer_server_cipher_suites": False},
}
BAD_TLS: dict[str, dict[str, Any]] = {
    "no key": {"key_file": ""},
    "no such key": {"key_file": "/nowhere"},
    "authority without a policy": {"client_ca_file": "CA"},
    "unknown policy": {"client_auth_type": "Sometimes"},
    "unknown suite": {"cipher_suites": ["TLS_NULL"]},
    "unknown curve": {"curve_preferences": ["Curve25519"]},
    "unknown version": {"min_version": "TLS14"},
}


def files_of(authority: Authority) -> list[tuple[dict[str, Any], bool]]:
    sections = [
        ({"tls_server_config": tls(authority, **changes)}, is_good)
        for each, is_good in ((GOOD_TLS, True), (BAD_TLS, False))
        for changes in each.values()
    ]
    return [
        *((document, True) for document in GOOD.values()),
        *((document, False) for document in BAD.values()),
        *sections,
        ({"tls_server_config": mutual(authority)}, True),
    ]


def test_prometheus_own_reader_judges_the_same_files_the_same(tmp_path: Path, authority: Authority) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: Debian's package prometheus has it")
    for document, is_good in files_of(authority):
        path = write(tmp_path, document)
        theirs = subprocess.run(
            [promtool, "check", "web-config", str(path)], capture_output=True, text=True, check=False
        )
        assert (theirs.returncode == 0) is is_good, (document, theirs.stderr)
        if is_good:
            assert server.read_rules(path).warning == ""
            continue
        with pytest.raises(errors.ConfigError) as refused:
            server.read_rules(path)
        assert str(refused.value).startswith(str(path))
