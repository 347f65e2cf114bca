"""Firing alerts on the overview, as a real Alertmanager says them."""

import re
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Page, expect

from pgbackstop_catalog.config import notifications
from pgbackstop_catalog.model import format_time, utc_now
from pgbackstop_runner.notify import alertmanager as protocol
from tests.integration.console.conftest import configuration, running
from tests.integration.console.test_browser import PATIENCE, enter, page
from tests.integration.daemon.conftest import Alertmanager, alertmanager
from tests.support import ports, storages
from tests.support.databases import Database

__all__ = ["alertmanager", "page"]
RUNBOOK = "https://example.org/pgbackstop/alerts/runbooks/BackupTooOld.md"
pytestmark = pytest.mark.integration


def test_they_are_shown_with_their_runbook_and_unknown_when_nobody_answers(
    tmp_path: Path, database: Database, alertmanager: Alertmanager, page: Page
) -> None:
    alertmanager.start()
    settings = notifications.Alertmanager(url=alertmanager.url)
    labels = {"alertname": "BackupTooOld", "severity": "critical", "plan": "shop"}
    told = {"summary": "No backup of <b>магазин</b>", "runbook_url": RUNBOOK}
    protocol.post(settings, [{"labels": labels, "annotations": told, "startsAt": format_time(utc_now())}])
    port, file = ports.free(), tmp_path / "pgbackstop.yaml"
    document = {
        **configuration(database, port),
        "notifications": {"alertmanager": {"url": alertmanager.url}},
    }
    file.write_text(yaml.safe_dump(document))
    storages.create_for(file)
    with running(tmp_path, file, port) as site:
        enter(page, site, "vera")
        shown = page.locator("#alerts")
        expect(shown).to_contain_text("No backup of <b>магазин</b>", timeout=PATIENCE)
        expect(shown.locator(".badge")).to_have_text("critical")
        expect(shown.get_by_role("link", name="Runbook")).to_have_attribute("href", RUNBOOK)
        alertmanager.stop()
        # Nobody reloads.
        expect(shown).to_contain_text(re.compile("Unknown: .* cannot be reached"), timeout=PATIENCE)
        expect(page.locator(".verdict")).to_be_visible()
