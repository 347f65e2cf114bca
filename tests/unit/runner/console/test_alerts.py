"""Alerts on the overview: ours, the worst first, and unknown is never none."""

import asyncio
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pgbackstop_catalog.config.notifications import Alertmanager
from pgbackstop_runner.console import alerts
from pgbackstop_runner.console.alerts import AlertWatch
from pgbackstop_runner.console.language import language

RUNBOOK = "https://example.org/fork/alerts/runbooks/BackupTooOld.md"


def fires(name: str, severity: str, runbook: str = RUNBOOK, state: str = "active") -> dict[str, Any]:
    return {
        "labels": {"alertname": name, "severity": severity},
        "annotations": {"summary": f"{name} it is", "runbook_url": runbook},
        "startsAt": "2026-11-22T10:00:00.000Z",
        "status": {"state": state},
    }


def test_only_ours_are_shown_and_the_worst_first() -> None:
    found = alerts.chosen(
        "here",
        [
            fires("BackupFailed", "warning"),
            fires("WalGap", "critical", state="suppressed"),
            fires("BackupTooOld", "critical"),
            fires("RestoreFailed", "critical", runbook=""),  # an event, told by ourselves
            fires("BackupFinished", "info"),
            fires("HostDown", "critical", runbook="https://example.org/host"),
            fires("BackupStuck", "warning", runbook="javascript:alert(1)/alerts/runbooks/x"),
            {"labels": 3, "annotations": None, "startsAt": 7, "status": "?"},
        ],
    )
    names = [each.name for each in found.firing]
    assert names == ["BackupTooOld", "RestoreFailed", "BackupFailed", "BackupStuck", "WalGap"]
    assert [each.runbook for each in found.firing] == [RUNBOOK, "", RUNBOOK, "", RUNBOOK]
    assert found.firing[-1].is_silenced


@pytest.fixture
def held() -> threading.Event:
    """Until it is set nobody gets an answer."""
    return threading.Event()


@pytest.fixture
def settings(held: threading.Event) -> Iterator[Alertmanager]:
    """One that takes its time."""

    class Slow(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            held.wait(120)
            body = json.dumps([fires("BackupTooOld", "critical")]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Alertmanager(url=f"http://127.0.0.1:{server.server_port}", timeout=120)
        finally:
            held.set()
            server.shutdown()
            thread.join()


def test_one_that_does_not_answer_is_unknown_and_told_when_it_has(
    settings: Alertmanager, held: threading.Event
) -> None:
    async def watched() -> None:
        watch = AlertWatch(patience=0.01)
        before = await watch.now(settings)
        assert (before.firing, "has not answered yet" in before.problem) == ((), True)
        held.set()
        async with asyncio.timeout(120):
            while (found := await watch.now(settings)).problem:
                pass
        assert [each.name for each in found.firing] == ["BackupTooOld"]

    asyncio.run(watched())


def test_one_that_is_not_there_is_unknown_and_says_why() -> None:
    found = alerts.read(Alertmanager(url="http://127.0.0.1:9"))
    assert found.firing == ()
    assert "Alertmanager at 127.0.0.1:9 cannot be reached" in found.problem
    russian = language("ru")
    assert russian.sentence(found.place) == "Alertmanager на 127.0.0.1:9"
    assert russian.sentence(found.problem).startswith("Alertmanager на 127.0.0.1:9 недоступен: ")
