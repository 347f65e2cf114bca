"""Slack's and Telegram's end of the road, in the engine's network: `python chat.py FOLDER ADDRESS CERT KEY`.

The services themselves cannot be reached from a test. What they take is written to files in the folder, one
for each message, at the paths and by the protocol that the real ones have.
"""

import itertools
import json
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SLACK_PORT = 8030
TELEGRAM_PORT = 443
TOKEN = "123456:AAHsecret-token_of-a-test"
CHAT = "-100"
_TAKEN = '{"ok":true,"result":{"message_id":1,"date":1,"chat":{"id":-100,"type":"group"}}}'
_numbers = itertools.count(1)


class Chat(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.startswith("/services/") and "attachments" in body:
            (shown,) = body["attachments"]
            self._take("slack", f"{shown['title']}\n{shown['text']}", "ok")
        elif self.path == f"/bot{TOKEN}/sendMessage" and str(body["chat_id"]) == CHAT:
            self._take("telegram", body["text"], _TAKEN)
        elif self.path == f"/bot{TOKEN}/getChat":
            self._answer(200, '{"ok":true,"result":{"id":-100,"type":"group"}}')
        else:
            self._answer(404, '{"ok":false,"error_code":404,"description":"Not Found"}')

    def _take(self, channel: str, text: str, answer: str) -> None:
        partial = FOLDER / f".{channel}-{next(_numbers):04}"
        partial.write_text(text)
        partial.rename(FOLDER / partial.name[1:])
        self._answer(200, answer)

    def _answer(self, code: int, body: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_args: object) -> None:
        pass


if __name__ == "__main__":
    folder, address, certificate, key = sys.argv[1:]
    FOLDER = Path(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    telegram = ThreadingHTTPServer((address, TELEGRAM_PORT), Chat)
    telegram.socket = context.wrap_socket(telegram.socket, server_side=True)
    threading.Thread(target=telegram.serve_forever, daemon=True).start()
    ThreadingHTTPServer((address, SLACK_PORT), Chat).serve_forever()
