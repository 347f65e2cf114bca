"""What a service says that repeats our secrets: they are in no sentence of ours."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pgbackstop_catalog.config.channels import Slack, Telegram
from pgbackstop_runner.notify import diagnosis

TOKEN = "12345678:AbCdEfGhIjKlMnOpQrStUvWxYz012345678"
WEBHOOK = "/services/T0AAAAAAA/B0BBBBBBB/xYzSecretSecretSecret"


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was asked for, in the way that its class says."""

    padding = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        said = f'{"p" * self.padding} no such path \x1b[2J{self.path} {self.path.lower()} \\"{self.path}'
        self.send_response(404)
        self.end_headers()
        self.wfile.write(said.encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("padding", [0, *range(1960, 2050, 6)])
def test_the_token_is_not_told(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, padding: int
) -> None:
    monkeypatch.setattr(Echo, "padding", padding)
    (tmp_path / "token").write_text(TOKEN)
    said = diagnosis.telegram(Telegram(bot_token_file=tmp_path / "token", chat_id=1, api_url=address))
    assert "answers 404" in said
    assert said.isprintable()
    for part in (TOKEN[:8], TOKEN[9:16], TOKEN[9:16].lower()):
        assert part not in said


def test_the_webhook_is_not_told(address: str, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(address + WEBHOOK)
    said = diagnosis.slack(Slack(api_url_file=tmp_path / "url"))
    assert "answers 404" in said
    assert "Secret" not in said
    assert "secretsecret" not in said
