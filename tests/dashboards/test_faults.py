"""Every fault of the table of alerts on the first screen: what is red or orange when the alert is due."""

import json
import subprocess
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.alerts import timeline
from tests.alerts.faults import BEGINS, FAULTS, Expectation
from tests.alerts.seen import SEEN
from tests.alerts.test_rules import rules
from tests.alerts.world import World
from tests.dashboards import shown
from tests.dashboards.documents import DOCUMENTS
from tests.dashboards.prometheus import DATA, Prometheus, program

# These repeat the alert, which has a column of its own; the others say it in their own words.
OF_ALERTS = {"Critical alerts", "What fires"}
PANELS = [
    panel
    for panel in DOCUMENTS["pgbackstop-backup-status"]["panels"]
    if panel["type"] == "stat" or panel["title"].startswith("To which second")
    if panel["title"] not in OF_ALERTS
]
# A stat panel of one value is told by its title, and of several by the names of its tiles.
MANY = "What this page rests on"


def instance(told: Expectation) -> str:
    """Each fault has an exporter of its own."""
    return f"fault-{FAULTS.index(told)}:9853"


def moment(told: Expectation) -> datetime:
    """The step at which the alert should have been told."""
    steps = (told.after + told.within) // told.step
    return BEGINS + steps * told.step


def lines(told: Expectation) -> Iterator[str]:
    world = World(begins=BEGINS, is_new=told.is_new, step=told.step, disk_size=told.disk_size)
    own = f'job="pgbackstop",instance="{instance(told)}"'
    now = BEGINS
    while now <= moment(told):
        world.live(now)
        if now - BEGINS >= told.after:
            told.fault(world, now)
        stamp = f"{now.timestamp():.0f}"
        yield f"up{{{own}}} {int(world.is_exporter_up)} {stamp}\n"
        # Rules are evaluated, whatever happens to the exporter.
        yield f'ALERTS{{{own},alertname="Watchdog",alertstate="firing"}} 1 {stamp}\n'
        if world.is_exporter_up:
            for name, where, value in timeline.scrape(world, now):
                labels = f"{own},{where[1:-1]}" if where else own
                yield f"{name}{{{labels}}} {value!r} {stamp}\n"
        now += told.step


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("faults")
    samples = folder / "samples.txt"
    with samples.open("w") as file:
        for told in FAULTS:
            file.writelines(lines(told))
        file.write("# EOF\n")
    command = [program("promtool"), "tsdb", "create-blocks-from", "--max-block-duration=720h", "openmetrics"]
    subprocess.run([*command, samples, folder / DATA], check=True, capture_output=True)
    with Prometheus(folder, "") as found:
        yield found


def seen(prometheus: Prometheus, told: Expectation) -> str:
    """What is alarming, panel by panel."""
    found = [
        f"{heading} **{shown.word(field, value)}**"
        for panel in PANELS
        for heading, field, value in _values(prometheus, told, panel)
        if shown.colour(field, value) in shown.ALARMING
    ]
    return ", ".join(dict.fromkeys(found))


def _values(
    prometheus: Prometheus, told: Expectation, panel: dict[str, Any]
) -> Iterator[tuple[str, shown.Field, float]]:
    for heading, expr, field in shown.fields(panel):
        asked = expr.replace('"$instance"', json.dumps(instance(told)))
        for name in ("server", "database", "plan", "backup_type"):
            asked = asked.replace(f'"${name}"', '".*"')
        name = panel["title"] if panel["type"] == "stat" and panel["title"] != MANY else heading
        for each in prometheus.at(asked, moment(told).timestamp()):
            yield name, field, float(each["value"][1])


def test_the_first_screen_says_what_is_wrong(prometheus: Prometheus) -> None:
    """Where its words change on purpose: take them over into ``tests/alerts/seen.py``."""
    found = {told.what: seen(prometheus, told) for told in FAULTS}
    assert {what: text for what, text in found.items() if text} == SEEN


# What is foreseen is not so yet; without an exporter the number itself is not known.
NOT_COUNTED = {"BackupDiskFilling", "BackupExporterDown", "BackupMetricsAbsent"}


def test_nobody_is_woken_by_a_page_that_needs_nobody() -> None:
    critical = {rule["alert"] for rule in rules() if rule["labels"]["severity"] == "critical"}
    warning = {rule["alert"] for rule in rules() if rule["labels"]["severity"] == "warning"}
    woken = [told for told in FAULTS if told.by in critical - warning - NOT_COUNTED]
    assert len(woken) > 10
    assert [told.what for told in woken if "Need somebody" not in SEEN.get(told.what, "")] == []
