"""Clients that ask for nothing, for nonsense, or slowly: Prometheus is answered all the same."""

import json
import re
import resource
import socket
import subprocess
import sys
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.exporter.running import DEADLINE, Exporter, write_config
from tests.support.crowds import crowd, is_closed
from tests.support.factories import catalog

LAST_RELOAD = "backup_config_last_reload_success"
FILES = 1024  # systemd's limit for a service where a unit names none


@pytest.fixture
def config(tmp_path: Path) -> Path:
    catalog(tmp_path)
    document = {"servers": {"main": {"port": 1}}, "storages": {"disk": {"path": tmp_path}},
                "catalog": tmp_path / "catalog"}  # fmt: skip
    return write_config(tmp_path / "pgbackstop.yaml", document)


@pytest.fixture
def exporter(config: Path) -> Iterator[Exporter]:
    limit = ("prlimit", f"--nofile={FILES}:{FILES}")
    with Exporter(config, prefix=limit) as running:
        yield running


def port(exporter: Exporter) -> int:
    return int(exporter.address.rpartition(":")[2])


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip("needs 4,096 open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("said", [b"", b"GET /metrics HT", b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"],
                         ids=["nothing", "half a request", "a request each"])  # fmt: skip
@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2"], ids=["same address", "another address"])
def test_1100_connections_keep_nobody_out(exporter: Exporter, source: str, said: bytes) -> None:
    with crowd(port(exporter), 1100, source=source, said=said) as opened:
        for _ in range(4):
            assert exporter.scrape().value(LAST_RELOAD) == 1.0
        # The oldest made room for the newest.
        assert is_closed(opened[0])
        assert exporter.scrape().value("backup_catalog_up") == 1.0
    assert exporter.process.poll() is None
    assert len(exporter.lines) < 30


def test_who_never_asks_is_sent_away(exporter: Exporter) -> None:
    with crowd(port(exporter), 1) as silent, crowd(port(exporter), 1, said=b"GET / HTTP/1.1\r\n") as half:
        assert is_closed(silent[0])
        assert is_closed(half[0])


def test_a_request_in_drops_has_no_longer_than_one_at_once(exporter: Exporter) -> None:
    with crowd(port(exporter), 1, said=b"GET / HTTP/1.1\r\n") as (slow,), pytest.raises(ConnectionError):
        drip(slow)


def drip(slow: socket.socket) -> None:
    """Send a line now and then, until the other end has had enough."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        slow.sendall(b"X-Slow: 1\r\n")
        time.sleep(0.5)


def test_nonsense_is_answered_shortly_and_logged_once(exporter: Exporter) -> None:
    for nonsense in (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET\r\n\r\n",
                     b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n") * 50:  # fmt: skip
        with crowd(port(exporter), 1, said=nonsense) as (one,):
            answer = b"".join(iter(lambda one=one: one.recv(4096), b""))  # type: ignore[misc]
            assert b"Python" not in answer
            assert b"aiohttp" not in answer
            assert re.match(rb"HTTP/1.[01] 400 ", answer)
    assert exporter.scrape().value(LAST_RELOAD) == 1.0
    told = [line for line in exporter.lines if line.get("event") == "refused what is no HTTP request"]
    assert len(told) < 10
    assert not any("traceback" in line for line in exporter.lines)


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text; version=abc",
        "application/openmetrics-text;version=",
        "text/plain;version=x",
        ";;;",
        "a" * 4000,
    ],
)
def test_an_odd_wish_gets_text(exporter: Exporter, accept: str) -> None:
    page = exporter.get("/metrics", headers={"Accept": accept})
    assert b"# TYPE backup_enabled gauge" in page


SLIPS = ("foo: 2001-99-99", "foo: !x y", "<<: x", "{? [a, b] : c}", "a: &a [*a]", "a: " + "[" * 50_000,
         "servers: {main: {port: " + "9" * 6_000 + "}}")  # fmt: skip


def test_a_slip_leaves_the_old_configuration_and_is_told(config: Path, tmp_path: Path) -> None:
    web = tmp_path / "web.yaml"
    web.write_text("")
    good = config.read_text()
    with Exporter(config, f"--web.config.file={web}") as exporter:
        for slip in SLIPS:
            for file, right in ((config, good), (web, "")):
                file.write_text(slip)
                with pytest.raises(urllib.error.HTTPError) as refused:
                    exporter.get("/-/reload", method="POST")
                assert refused.value.code == 500
                assert refused.value.read().startswith(
                    f"The old configuration stays in use:\n{file}:1: ".encode()
                )
                refused.value.close()
                exporter.until_page(lambda page: page.value(LAST_RELOAD) == 0.0)
                file.write_text(right)
                assert exporter.get("/-/reload", method="POST") == b"The configuration was read.\n"
                exporter.until_page(lambda page: page.value(LAST_RELOAD) == 1.0)
        assert not any("traceback" in line for line in exporter.lines)


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--web.listen-address=a..b:1", "is no address to listen on"),
        ("--web.listen-address=127.0.0.1:" + "9" * 5_000, "is no address to listen on"),
        ("--web.telemetry-path=metrics", "--web.telemetry-path cannot be"),
        ("--web.telemetry-path=/", "--web.telemetry-path cannot be"),
        ("--web.telemetry-path=/-/healthy", "--web.telemetry-path cannot be"),
        ("--web.telemetry-path=/a{x", "--web.telemetry-path cannot be"),
        ("--config.file=/dev/zero", "it is no regular file"),
        ("--web.config.file=/dev/zero", "it is no regular file"),
    ],
)
def test_a_wrong_flag_is_one_sentence(config: Path, flag: str, words: str) -> None:
    command = [sys.executable, "-m", "pgbackstop_exporter.main", f"--config.file={config}", flag]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert words in done.stderr
    assert json.dumps(done.stderr).count("Traceback") == 0
