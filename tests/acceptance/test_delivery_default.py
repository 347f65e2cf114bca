"""How long it takes until people hear of a failed backup, with every interval as it is shipped.

What is measured is written into the report, and with -s on the screen. That it arrives is all that is
required, because a busy machine says nothing about the product.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from tests.acceptance import delivery_stack, receivers
from tests.integration.exporter.running import Exporter
from tests.support import ports
from tests.support.backups import Site, plan
from tests.support.servers import Server

# Of the shipped compose file, and of Prometheus' own example.
SCRAPE, EVALUATE = "15s", "30s"


@pytest.mark.slow
def test_a_failed_backup_with_default_intervals(
    pg17: Server, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """By the runner's own event, and, where the runner knows no Alertmanager, by Prometheus alone."""
    site = Site(folder=tmp_path, server=pg17, plans={"told": plan(databases=["nowhere"])})
    delivery_stack.change(
        site, plans={"found": {**plan(databases=["nowhere"]), "server": "second"}}, servers=_second(site)
    )
    with ExitStack() as ending:
        post = ending.enter_context(receivers.running(tmp_path))
        delivery_stack.change(site, notifications=post.settings())
        silent = site.file.read_text()
        port = ports.free()
        delivery_stack.change(site, notifications={"alertmanager": {"url": f"http://127.0.0.1:{port}"}})
        config = tmp_path / "alertmanager.yml"
        written = site.run("notify", "config", "--output", str(config))
        assert written.returncode == 0, written.stderr
        ending.enter_context(delivery_stack.alertmanager(tmp_path, config, port))
        exporter = ending.enter_context(Exporter(site.file, pauses={}))
        scraped = delivery_stack.prometheus(
            tmp_path,
            exporter=exporter.address.removeprefix("http://"),
            alertmanager_port=port,
            rules=delivery_stack.RULES,
            scrape=SCRAPE,
            evaluate=EVALUATE,
        )
        ending.enter_context(scraped)
        assert site.run("backup", "told").returncode != 0
        told_since = time.monotonic()
        site.file.write_text(silent)
        assert site.run("backup", "found").returncode != 0
        found_since = time.monotonic()
        told = max(each.at for each in post.inbox.on_each("(plan told) failed")) - told_since
        found = max(each.at for each in post.inbox.on_each("(plan found) failed")) - found_since
    for name, seconds in (("by the runner", told), ("by Prometheus alone", found)):
        record_property(f"a failed backup is told {name}, seconds", round(seconds, 1))
        # The measurement is a result of this test, beside that it passes.
        print(f"a failed backup was told {name} on all channels after {seconds:.1f} s")  # noqa: T201 - see above


def _second(site: Site) -> dict[str, object]:
    """The same server under another name, so that its alerts are a group of their own."""
    servers: dict[str, dict[str, object]] = yaml.safe_load(site.file.read_text())["servers"]
    return {"second": servers["main"]}
