"""One wrapper for every collector: it times, catches, reports, and never runs one twice at a time."""

import asyncio
import threading
from functools import partial

import pytest

from pgbackstop_catalog import errors
from pgbackstop_exporter import threads
from pgbackstop_exporter.collector import Collector
from pgbackstop_exporter.snapshot import Health
from tests.unit.exporter.running import in_loop

SOON = 0.05
LONG = 30.0


class Reports:
    """Remembers what was reported."""

    def __init__(self) -> None:
        self.all: list[Health] = []

    def __call__(self, _name: str, health: Health) -> None:
        self.all.append(health)


def collector(action: object, reports: Reports, *, limit: float = LONG) -> Collector:
    return Collector("test", action, reports, interval=0.0, timeout=limit)  # type: ignore[arg-type]


@in_loop
async def test_success(caplog: pytest.LogCaptureFixture) -> None:
    reports = Reports()

    async def action() -> None: ...

    health = await collector(action, reports).run()
    assert health.success
    assert health.duration is not None
    assert health.last_success > 0
    assert reports.all == [health]
    assert caplog.records == []


@pytest.mark.parametrize(
    ("error", "logged"),
    [(errors.CatalogError("gone."), 1), (OSError("gone"), 1), (ZeroDivisionError("bug"), 2)],
)
@in_loop
async def test_a_failure_is_told_once_and_a_bug_with_its_traceback(
    caplog: pytest.LogCaptureFixture, error: Exception, logged: int
) -> None:
    async def action() -> None:
        raise error

    caplog.set_level("WARNING", "pgbackstop_exporter")  # whatever an exporter in this process was told
    failing = collector(action, Reports())
    assert not (await failing.run()).success
    assert failing.health.error == str(error)
    assert len(caplog.records) == logged
    caplog.clear()
    await failing.run()
    assert len(caplog.records) == logged - 1


@in_loop
async def test_the_time_of_the_last_success_is_kept_while_it_fails() -> None:
    broken = False

    async def action() -> None:
        if broken:
            raise OSError("gone")

    found = collector(action, Reports())
    good = await found.run()
    broken = True
    bad = await found.run()
    assert (bad.success, bad.last_success) == (False, good.last_success)
    broken = False
    assert (await found.run()).success


@in_loop
async def test_one_that_hangs_is_reported_and_not_started_again() -> None:
    begun, let_go, started = threading.Event(), threading.Event(), []

    def hang() -> None:
        started.append(1)
        begun.set()
        assert let_go.wait(LONG)

    found = collector(partial(threads.run, hang, name="hang"), Reports(), limit=SOON)
    assert not (await found.run()).success
    assert not (await found.run()).success
    assert "no result" in found.health.error
    assert begun.wait(LONG)
    assert len(started) == 1
    let_go.set()
    async with asyncio.timeout(LONG):
        while not (await found.run()).success:
            pass
    assert found.health.error == ""


@in_loop
async def test_one_that_takes_long_and_gets_on_is_no_failure() -> None:
    looks, let_go = 0, threading.Event()

    def progress() -> int:
        nonlocal looks
        looks += 1
        if looks == 8:
            let_go.set()
        return looks

    reports = Reports()
    found = Collector(
        "test",
        partial(threads.run, partial(let_go.wait, LONG), name="long"),  # type: ignore[arg-type]
        reports,
        interval=0.0,
        timeout=SOON,
        progress=progress,
    )
    assert (await found.run()).success
    assert len(reports.all) == 1


@in_loop
async def test_one_that_got_on_and_then_hangs_is_a_failure() -> None:
    let_go, steps = threading.Event(), iter([0, 1, 2])
    at = 0

    def progress() -> int:
        nonlocal at
        at = next(steps, at)
        return at

    found = Collector(
        "test",
        partial(threads.run, partial(let_go.wait, LONG), name="hang"),  # type: ignore[arg-type]
        Reports(),
        interval=0.0,
        timeout=SOON,
        progress=progress,
    )
    assert not (await found.run()).success
    assert "no result" in found.health.error
    let_go.set()


@in_loop
async def test_the_loop_goes_on_until_it_is_cancelled() -> None:
    reports = Reports()

    async def action() -> None: ...

    third = asyncio.Event()

    def report(name: str, health: Health) -> None:
        reports(name, health)
        if len(reports.all) == 3:
            third.set()

    task = asyncio.create_task(Collector("test", action, report, interval=0.0, timeout=LONG).loop())
    async with asyncio.timeout(LONG):
        await third.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@in_loop
async def test_cancelling_the_loop_ends_what_is_in_flight() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def action() -> None:
        begun.set()
        try:
            await asyncio.sleep(LONG)
        finally:
            cancelled.set()

    task = asyncio.create_task(collector(action, Reports()).loop())
    async with asyncio.timeout(LONG):
        await begun.wait()
    task.cancel()
    async with asyncio.timeout(LONG):
        await cancelled.wait()


@in_loop
async def test_a_thread_gives_its_result_or_its_exception() -> None:
    assert await threads.run(lambda: 7, name="seven") == 7
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0, name="none")


@in_loop
async def test_what_nobody_waits_for_any_more_is_dropped() -> None:
    let_go = threading.Event()
    task = asyncio.create_task(threads.run(lambda: let_go.wait(LONG), name="late"))
    await asyncio.sleep(SOON)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    let_go.set()
    assert await threads.run(lambda: 1, name="after") == 1


def test_a_thread_that_outlives_the_loop_ends_quietly() -> None:
    let_go, ended = threading.Event(), threading.Event()

    def late() -> None:
        let_go.wait(LONG)
        ended.set()

    async def leave() -> None:
        task = asyncio.create_task(threads.run(late, name="outlives"))
        await asyncio.sleep(SOON)
        task.cancel()

    asyncio.run(leave())
    let_go.set()
    assert ended.wait(LONG)
    for thread in threading.enumerate():
        if thread.name == "outlives":
            thread.join(LONG)
