"""Which workers there are, as exporters see it: those that live, and those that died."""

import signal

from pgbackstop_exporter.snapshot import FleetFacts
from pgbackstop_exporter.sources import workers
from tests.integration.daemon.attempts import SELDOM
from tests.integration.daemon.conftest import DEADLINE, until
from tests.integration.fleet.conftest import Fleet

_SILENT = "started_at = now() - interval '3 days', heartbeat_at = now() - interval"


def seen(fleet: Fleet) -> FleetFacts:
    return workers.read(fleet.rows)


def told(fleet: Fleet) -> list[tuple[tuple[str, ...], bool]]:
    """The queues of each, and whether it lives."""
    return sorted((each.queues, each.is_alive) for each in seen(fleet).workers)


def test_a_worker_is_there_until_it_takes_no_more_runs(fleet: Fleet) -> None:
    fleet.configure_due("once")
    fleet.behave("once", "sleep 600")
    host = fleet.start("a", "--queues", "default,far", "--drain", "600")
    fleet.running("once")
    until(lambda: told(fleet) == [(("default", "far"), True)], "it is there")
    assert [(run.plan, run.queue, run.is_running) for run in seen(fleet).runs] == [("once", "default", True)]
    assert host.process is not None
    host.process.send_signal(signal.SIGTERM)
    until(lambda: told(fleet) == [], "it takes no more")
    assert host.process.poll() is None, "it drains"
    (child,) = host.children()
    child.kill()
    assert host.process.wait(DEADLINE) == 0
    assert told(fleet) == []


def test_one_that_died_is_told_of_until_another_takes_its_place(fleet: Fleet) -> None:
    fleet.configure({"once": {"schedule": SELDOM}})
    dying = fleet.start("a")
    until(lambda: told(fleet) == [(("default",), True)], "it is there")
    dying.kill()
    fleet.rows(f"update pgbackstop.worker set {_SILENT} '1 hour'")
    fleet.start("b", "--queues", "far")
    until(lambda: told(fleet) == [(("default",), False), (("far",), True)], "one of two lives")
    fleet.start("c")
    until(lambda: told(fleet) == [(("default",), True), (("far",), True)], "its place is taken")
    fleet.rows("insert into pgbackstop.worker values ('x', 'x', '{far}', now(), now(), '1 min')")
    fleet.rows(f"update pgbackstop.worker set {_SILENT} '2 days' where name = 'x'")
    until(lambda: "x" not in {each.host for each in seen(fleet).workers}, "it is forgotten")
