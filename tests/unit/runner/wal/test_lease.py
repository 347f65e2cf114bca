"""A receiver ends with its lease, before it writes and while it waits."""

import threading

from pgbackstop_runner.system import tenure
from pgbackstop_runner.system.tenure import Tenure
from pgbackstop_runner.wal.lease import Lease


def test_it_goes_on_while_the_lease_lasts_and_ends_with_it() -> None:
    ended = threading.Event()
    Lease(tenure=Tenure.begin(tenure.now() + 3600), end=ended.set).require()
    assert not ended.is_set()
    Lease(tenure=Tenure.begin(tenure.now()), end=ended.set).require()
    assert ended.is_set()


def test_it_ends_while_its_main_thread_waits() -> None:
    ended, granted = threading.Event(), Tenure.begin(tenure.now() + 3600)
    Lease(tenure=granted, end=ended.set).watch()
    granted.extend(tenure.now())
    assert ended.wait(60)
