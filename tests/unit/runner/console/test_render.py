"""Addresses in the templates of a console that is below a path."""

import re
from pathlib import Path

from pgbackstop_catalog.model import utc_now
from pgbackstop_runner.console import alerts, facts, render
from pgbackstop_runner.console.guard import Member, Visitor
from pgbackstop_runner.console.sessions import ByPassword, Session
from tests.unit.runner import places
from tests.unit.runner.console.test_alerts import RUNBOOK, fires

VERA = Visitor(
    name="vera",
    user=Member(role="viewer"),
    session=Session(user="vera", csrf="", ends=0.0, entered=ByPassword(password_hash="")),
)


def test_ours_are_below_the_path_and_a_runbook_is_where_it_is(tmp_path: Path) -> None:
    opened, now = places.workspace(tmp_path), utc_now()
    opened.file.touch()
    firing = alerts.chosen("here", [fires("BackupTooOld", "critical", runbook=f"{RUNBOOK}?a=1&b=\"'")])
    text = render.page(
        "overview.html",
        "/ops",
        visitor=VERA,
        console=opened.config.console,
        now=now,
        whole=facts.overview(opened, now),
        alerts=firing,
    )
    others = [each for each in re.findall(r' href="([^"#][^"]*)"', text) if not each.startswith("/ops/")]
    assert others == [f"{RUNBOOK}?a=1&amp;b=&#34;&#39;"]
