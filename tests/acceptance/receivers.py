"""Who takes alerts in tests: a real mail server, and stand-ins for chats and pagers.

The services cannot be reached from a test: the stand-ins take what Alertmanager posts, at the paths that the
real ones have, and answer as those do.
"""

import contextlib
import email
import email.policy
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.support import ports

PATIENCE = 120.0  # seconds until a wait is given up; what works takes one to ten
CHANNELS = ("email", "slack", "telegram")
FURTHER = ("discord", "pagerduty", "opsgenie", "webhook")
TOKEN = "123456:AAHsecret-token_of-a-test"


@dataclass(frozen=True, kw_only=True)
class Message:
    """What a person reads; ``title`` is empty on Telegram. ``at`` is of the monotonic clock."""

    channel: str
    title: str
    text: str
    at: float
    html: str = ""

    @property
    def words(self) -> str:
        return f"{self.title}\n{self.text}"


@dataclass
class Inbox:
    """What has arrived on all channels."""

    messages: list[Message] = field(default_factory=list)
    pings: list[dict[str, Any]] = field(default_factory=list)
    pages: list[dict[str, Any]] = field(default_factory=list)

    def add(self, channel: str, title: str, text: str, html: str = "") -> None:
        made = Message(channel=channel, title=title, text=text, at=time.monotonic(), html=html)
        self.messages.append(made)

    def find(self, channel: str, *words: str) -> Message | None:
        """The first message on the channel that has all the words."""
        found = (each for each in list(self.messages) if each.channel == channel)
        return next((each for each in found if all(word in each.words for word in words)), None)

    def on_each(self, *words: str, since: int = 0) -> list[Message]:
        """Wait until each channel has a message with all the words; those."""
        until(
            lambda: all(self.find(channel, *words) for channel in CHANNELS),
            f"a message on each channel with {words}",
            lambda: "\n".join(f"{each.channel}: {each.words}" for each in self.messages[since:]),
        )
        return [found for channel in CHANNELS if (found := self.find(channel, *words))]


def until(true: Callable[[], object], what: str, more: Callable[[], str] = str) -> None:
    """Wait until it holds. Fails with ``what`` and ``more`` when that takes too long."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"in vain waited for {what}\n{more()}"
        time.sleep(0.1)


class _Mailbox:
    """aiosmtpd's handler; a recipient whose name says so is refused."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address.startswith("refused"):
            return "550 5.1.1 No such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        parsed = email.message_from_bytes(envelope.content, policy=email.policy.default)
        text, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
        assert text is not None
        assert html is not None
        self._inbox.add("email", str(parsed["Subject"]), text.get_content(), html.get_content())
        return "250 OK"


class Services(ThreadingHTTPServer):
    """Slack, Telegram and a dead man's switch; ``answer`` is what Slack says to everything."""

    daemon_threads = True

    def __init__(self, inbox: Inbox) -> None:
        super().__init__(("127.0.0.1", 0), _Service)
        self.inbox = inbox
        self.answer: tuple[int, str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


_PLACES = {
    "/api/webhooks/1/secret-of-discord": "discord",
    "/v2/enqueue": "pagerduty",
    "/own/secret-address": "webhook",
}
_TAKEN = {
    "discord": (204, ""),
    "pagerduty": (202, '{"status":"success","message":"Event processed","dedup_key":"k"}'),
    "opsgenie": (202, '{"result":"Request will be processed","took":0.1,"requestId":"r"}'),
    "webhook": (200, ""),
}


class _Service(BaseHTTPRequestHandler):
    server: Services

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path.startswith("/services/"):
            self._slack(body)
        elif self.path == f"/bot{TOKEN}/sendMessage":
            self._telegram(json.loads(body))
        elif self.path == f"/bot{TOKEN}/getChat":
            self._answer(200, '{"ok":true,"result":{"id":-100,"type":"group"}}')
        elif self.path in _PLACES:
            self._further(_PLACES[self.path], json.loads(body))
        elif self.path.startswith("/v2/alerts"):
            self._further("opsgenie", {"path": self.path, **json.loads(body)})
        elif self.path == "/ping":
            self.server.inbox.pings.append(json.loads(body))
            self._answer(200, "OK")
        else:
            self._answer(404, '{"ok":false,"error_code":404,"description":"Not Found"}')

    def _slack(self, body: str) -> None:
        message = json.loads(body)
        if self.server.answer is not None:
            self._answer(*self.server.answer)
        elif "attachments" not in message:
            self._answer(400, "no_text")
        else:
            (shown,) = message["attachments"]
            self.server.inbox.add("slack", shown["title"], shown["text"])
            self._answer(200, "ok")

    def _telegram(self, message: dict[str, Any]) -> None:
        if str(message["chat_id"]) != "-100":
            self._answer(400, '{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}')
            return
        assert len(message["text"]) < 4096
        self.server.inbox.add("telegram", "", message["text"])
        self._answer(200, '{"ok":true,"result":{"message_id":1,"date":1,"chat":{"id":-100,"type":"group"}}}')

    def do_GET(self) -> None:
        """What Discord says of a webhook."""
        if self.path == "/api/webhooks/1/secret-of-discord":
            self._answer(200, '{"id":"1","type":1}')
        else:
            self._answer(404, '{"message":"Unknown Webhook","code":10015}')

    def _further(self, channel: str, message: dict[str, Any]) -> None:
        authorization = self.headers.get("Authorization", "")
        self.server.inbox.pages.append(
            {"channel": channel, "authorization": authorization, "message": message}
        )
        self._answer(*_TAKEN[channel])

    def _answer(self, code: int, body: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_args: object) -> None:
        pass


@dataclass(kw_only=True)
class Receivers:
    """A mail server and the stand-ins, and the settings of pgbackstop that lead to them."""

    folder: Path
    inbox: Inbox
    services: Services
    smtp_port: int

    def settings(self) -> dict[str, Any]:
        """``email``, ``slack``, ``telegram`` and the dead man's switch."""
        files = {
            "slack": f"{self.services.url}/services/T0/B0/secret",
            "telegram": TOKEN,
            "watchdog": f"{self.services.url}/ping",
        }
        for name, content in files.items():
            path = self.folder / name
            path.write_text(content + "\n")
            path.chmod(0o600)
        return {
            "email": {
                "to": ["dba@example.com", "night@example.com"],
                "sender": "pgbackstop@example.com",
                "smarthost": f"127.0.0.1:{self.smtp_port}",
                "require_tls": False,
            },
            "slack": {"api_url_file": str(self.folder / "slack"), "channel": "#backups"},
            "telegram": {
                "bot_token_file": str(self.folder / "telegram"),
                "chat_id": -100,
                "api_url": self.services.url,
            },
            "watchdog_url_file": str(self.folder / "watchdog"),
            "grafana_url": "https://grafana.example",
        }

    def further(self) -> dict[str, Any]:
        """Discord, two pagers and a webhook instead."""
        url = self.services.url
        secrets = {
            "discord": f"{url}/api/webhooks/1/secret-of-discord",
            "pagerduty": "secret-routing-key",
            "opsgenie": "secret-api-key",
            "webhook": f"{url}/own/secret-address",
            "token": "secret-token",
        }
        for name, content in secrets.items():
            (self.folder / name).write_text(content + "\n")
        return {
            "discord": {"webhook_url_file": str(self.folder / "discord")},
            "pagerduty": {
                "routing_key_file": str(self.folder / "pagerduty"),
                "url": f"{url}/v2/enqueue",
            },
            "opsgenie": {"api_key_file": str(self.folder / "opsgenie"), "api_url": f"{url}/"},
            "webhook": {
                "url_file": str(self.folder / "webhook"),
                "token_file": str(self.folder / "token"),
            },
            **dict.fromkeys(CHANNELS),
            "watchdog_url_file": None,
        }


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Receivers]:
    """Everything that takes messages, on loopback ports."""
    inbox = Inbox()
    mail = Controller(_Mailbox(inbox), hostname="127.0.0.1", port=ports.free())
    with contextlib.ExitStack() as ending, Services(inbox) as services:
        mail.start()
        ending.callback(mail.stop)
        thread = threading.Thread(target=services.serve_forever, args=(0.05,))
        thread.start()
        ending.callback(thread.join)
        ending.callback(services.shutdown)
        yield Receivers(folder=folder, inbox=inbox, services=services, smtp_port=mail.port)
