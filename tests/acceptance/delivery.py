"""A configuration of pgbackstop, and the real Alertmanager that it names: what tests of messages work at."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from pgbackstop_catalog.config import load
from pgbackstop_catalog.config.notifications import Alertmanager
from pgbackstop_runner.notify import alertmanager
from tests.acceptance import delivery_stack, receivers
from tests.acceptance.receivers import TOKEN, Receivers
from tests.support import backups, forks, ports

SECRETS = (TOKEN, "/services/T0/B0/secret", "secret-")


@dataclass(kw_only=True)
class Delivery:
    """A configuration of pgbackstop, and the Alertmanager that it names; no backups are made here."""

    folder: Path
    post: Receivers
    port: int
    ending: ExitStack

    @property
    def file(self) -> Path:
        return self.folder / "pgbackstop.yaml"

    @property
    def server(self) -> Alertmanager:
        return Alertmanager(url=f"http://127.0.0.1:{self.port}")

    def configure(self, **changes: Any) -> None:
        """The settings of ``notifications``; None takes one away."""
        settings = {
            **self.post.settings(),
            "alertmanager": {"url": self.server.url},
            "group_wait": "0s",
            "group_interval": "1s",
            **changes,
        }
        document = {
            "servers": {"main": {}},
            "storages": {"disk": {"kind": "folder", "path": "store"}},
            "notifications": {name: value for name, value in settings.items() if value is not None},
        }
        self.file.write_text(yaml.safe_dump(document))
        load.load(self.file)

    def run(self, *words: str) -> tuple[int, str]:
        """Exit code and everything that a person sees; never a secret, never a traceback."""
        done = forks.run(
            "--config", str(self.file), *words, env=backups.environment(), timeout=receivers.PATIENCE
        )
        seen = done.stdout + done.stderr
        assert "Traceback" not in seen
        assert not [secret for secret in SECRETS if secret in seen], seen
        return done.returncode, seen

    def write(self, *options: str) -> Path:
        path = self.folder / "alertmanager.yml"
        code, seen = self.run("notify", "config", "--output", str(path), *options)
        assert code == 0, seen
        return path

    def start(self) -> None:
        """Alertmanager with what is configured now."""
        self.serve(self.write())

    def serve(self, configuration: Path) -> None:
        """Alertmanager with that file."""
        self.ending.enter_context(delivery_stack.alertmanager(self.folder, configuration, self.port))

    def post_alert(self, name: str, severity: str, **labels: str) -> None:
        now = datetime.now(UTC)
        alert: dict[str, object] = {
            "labels": {"alertname": name, "severity": severity, "server": name, **labels},
            "annotations": {"summary": f"{name} happened"},
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(hours=1)).isoformat(),
        }
        alertmanager.post(self.server, [alert])


@contextmanager
def opened(folder: Path) -> Iterator[Delivery]:
    """With three channels; Alertmanager is not started yet."""
    with ExitStack() as ending:
        post = ending.enter_context(receivers.running(folder))
        made = Delivery(folder=folder, post=post, port=ports.free(), ending=ending)
        made.configure()
        yield made
