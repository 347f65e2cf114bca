"""A plan's own check is called by real runs, at a real HTTP server; one that is away costs no backup."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog import errors
from tests.support.backups import Site, plan
from tests.support.databases import Database
from tests.support.servers import Server


@dataclass
class Check:
    """A service that keeps what it was called with."""

    status: int = 200
    calls: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0


@contextmanager
def serving(check: Check) -> Iterator[None]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            check.calls.append((self.path, body))
            self.send_response(check.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            """Nobody reads it."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        check.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def check() -> Iterator[Check]:
    made = Check()
    with serving(made):
        yield made


@pytest.fixture
def site(tmp_path: Path, pg17: Server, database: Database, check: Check) -> Site:
    (tmp_path / "check").write_text(f"http://127.0.0.1:{check.port}/ping/s3cr3t?a=b\n")
    (tmp_path / "check").chmod(0o600)
    pinged: dict[str, Any] = {"ping_url_file": "check", "verify": False, "row_counts": False}
    plans = {
        "good": plan(databases=[database.name], **pinged),
        "half": plan(databases=[database.name, "nowhere"], **pinged),
    }
    return Site(folder=tmp_path, server=pg17, plans=plans, catalog_folder=tmp_path / "catalog")


def test_started_then_good(site: Site, check: Check, database: Database) -> None:
    made = site.made("good")
    (start, end) = check.calls
    assert start == ("/ping/s3cr3t/start?a=b", "")
    assert end == ("/ping/s3cr3t?a=b", f"{database.name} {made.id} succeeded")


def test_one_bad_database_is_a_failure_that_is_named(site: Site, check: Check) -> None:
    assert site.run("backup", "half").returncode != 0
    assert [path for path, _ in check.calls] == ["/ping/s3cr3t/start?a=b", "/ping/s3cr3t/fail?a=b"]
    assert "nowhere" in check.calls[-1][1]


def test_a_run_whose_storage_is_away_has_failed(site: Site, check: Check) -> None:
    site.store.rename(site.folder / "away")
    assert site.run("backup", "good").returncode == errors.CatalogError.exit_code
    assert [path for path, _ in check.calls] == ["/ping/s3cr3t/start?a=b", "/ping/s3cr3t/fail?a=b"]
    assert "failed" in check.calls[-1][1]


@pytest.mark.parametrize("written", ["http://127.0.0.1:1/s3cr3t", "no address"])
def test_a_check_that_is_away_costs_a_warning(site: Site, written: str) -> None:
    (site.folder / "check").write_text(written)
    done = site.run("backup", "good")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("the plan's check could not be called") == 2
    assert "s3cr3t" not in done.stdout + done.stderr


def test_a_check_that_refuses_costs_a_warning(site: Site, check: Check) -> None:
    check.status = 500
    done = site.run("backup", "good")
    assert done.returncode == 0, done.stderr
    assert "it answered with status 500" in done.stderr
