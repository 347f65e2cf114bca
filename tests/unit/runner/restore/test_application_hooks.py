"""Hooks: programs and addresses."""

import secrets
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest

from pgbackstop_catalog.config.server import Hook
from pgbackstop_runner.restore import application_hooks
from tests.support import backups


class _Handler(BaseHTTPRequestHandler):
    """Says whom it was told to let in; /moved leads to /elsewhere."""

    def do_GET(self) -> None:
        self.send_response(302 if self.path == "/moved" else 200)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(f"{self.command} by {self.headers['Authorization']}".encode())

    do_POST = do_GET

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_proxy_is_not_asked_for_this_machine(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # nobody listens there
    monkeypatch.delenv("no_proxy", raising=False)
    done = application_hooks.run("check", Hook(url=address, timeout=60))
    assert (done.ok, done.output) == (True, "200 GET by None")


def test_a_proxy_is_asked_for_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    done = application_hooks.run("stop", Hook(url="http://shop.example/stop", timeout=60))
    assert not done.ok
    assert "refused" in done.output  # by the proxy, without a look at the name


def test_the_token_goes_to_the_application_and_no_further(address: str, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t0ken\n")
    done = application_hooks.run("stop", Hook(url=f"{address}/stop", token_file=token, timeout=60))
    assert done.output == "200 POST by Bearer t0ken"
    moved = application_hooks.run("check", Hook(url=f"{address}/moved", token_file=token, timeout=60))
    assert moved.output == "200 GET by None"


def test_a_redirected_stop_has_stopped_nothing(address: str) -> None:
    moved = application_hooks.run("stop", Hook(url=f"{address}/moved", timeout=60))
    assert not moved.ok
    assert moved.output.startswith("302 ")


def test_a_token_that_cannot_be_read_is_said(address: str, tmp_path: Path) -> None:
    done = application_hooks.run("stop", Hook(url=address, token_file=tmp_path / "absent", timeout=60))
    assert not done.ok
    assert "absent with the token of the hook cannot be read" in done.output


def test_a_token_is_for_an_address() -> None:
    with pytest.raises(ValueError, match="token_file is for a url"):
        Hook(command=("stop-it",), token_file=Path("token"))


def test_a_program_may_leave_another_one_behind() -> None:
    done = application_hooks.run("start", Hook(command=("sh", "-c", "sleep 600 & echo $!"), timeout=60))
    psutil.Process(int(done.output.split()[0])).kill()
    assert (done.ok, done.output.count("\n")) == (True, 0)


def test_a_program_that_does_not_end_is_killed_with_what_it_started() -> None:
    seconds = f"600.{secrets.randbelow(10**9)}"
    script = f"echo begun; sleep {seconds} & wait"
    done = application_hooks.run("stop", Hook(command=("sh", "-c", script), timeout=1))
    assert not done.ok
    assert done.output.endswith("not done within 1.0s")
    left = [each for each in psutil.process_iter(["cmdline"]) if seconds in (each.info["cmdline"] or [])]
    try:
        backups.until(lambda: backups.gone(left), "the end of what it started")
    finally:
        for each in left:
            backups.end(each)


def test_of_many_words_the_last_are_kept() -> None:
    script = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i + 1)); done; exit 3"
    done = application_hooks.run("stop", Hook(command=("sh", "-c", script), timeout=60))
    assert len(done.output) == 4000
    assert done.output.endswith("line 2999\nexit status 3")
