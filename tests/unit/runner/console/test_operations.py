"""Operations end with the daemon or outlive it, and are known again from their records."""

import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_runner.console import operation_store, operations
from pgbackstop_runner.console.operation import Operation
from pgbackstop_runner.console.operations import Operations
from pgbackstop_runner.system import exit_file, processes, survivors
from pgbackstop_runner.workspace import Workspace
from tests.unit.runner import places

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def opened(tmp_path: Path) -> Workspace:
    made = places.workspace(tmp_path)
    made.file.write_text("servers: {main: {}}\nstorages: {disk: {kind: folder, path: store}}\n")
    return made


def operation(number: int, **changes: object) -> Operation:
    document = {
        "id": f"{number:08x}",
        "verb": "backup",
        "subject": "shop",
        "user": "otto",
        "started_at": LONG_AGO.replace(minute=number % 60, hour=number // 60),
    }
    return Operation.model_validate(document | changes)


def test_one_that_runs_ends_when_the_daemon_stops_and_no_more_are_started(tmp_path: Path) -> None:
    place = opened(tmp_path)

    async def stopped() -> None:
        begun = Operations()
        # A daemon goes on until it is told to end.
        made = await begun.start(place, "drill", "shop", "otto", ("daemon",))
        assert made.is_running
        await asyncio.wait_for(begun.stop(), 120)
        ended = begun.named(made.id)
        assert not ended.is_running
        assert ended.state == "interrupted"
        with pytest.raises(errors.Busy, match="The daemon stops"):
            begun.check("verify", "anything")
        on_record = operation_store.every(place.state)
        assert [(each.id, each.state) for each in on_record] == [(ended.id, ended.state)]

    asyncio.run(stopped())


def test_of_two_who_start_the_same_at_once_one_is_told_of_the_other(tmp_path: Path) -> None:
    place = opened(tmp_path)

    async def both() -> None:
        begun = Operations()
        starts = (begun.start(place, "drill", "shop", user, ("daemon",)) for user in ("otto", "ada"))
        made, refused = await asyncio.gather(*starts, return_exceptions=True)
        assert isinstance(made, Operation)
        assert str(refused).startswith("drill of shop runs already, started by otto.")
        assert isinstance(refused, errors.Busy)
        assert [each.id for each in begun.all()] == [made.id]
        await asyncio.wait_for(begun.stop(), 120)

    asyncio.run(both())


def test_what_goes_on_is_found_by_the_next_daemon_and_by_its_process_alone(tmp_path: Path) -> None:
    place = opened(tmp_path)
    ourselves = processes.identify(os.getpid())
    assert ourselves is not None
    who = {"pid": ourselves.pid, "process_started": ourselves.started, "boot": survivors.boot()}
    for number, changes in enumerate(
        (who, {**who, "process_started": ourselves.started + 1}, {**who, "boot": "another"}, {})
    ):
        place.state.make(place.state.operations)
        operation_store.write(place.state, operation(number, **changes))

    async def adopted() -> Sequence[str]:
        found = Operations(outlive=True)
        await found.adopt(place.state)
        states = [each.state for each in found.all()]
        await found.stop()
        return states

    expected = ["interrupted", "interrupted", "interrupted", "running"]
    assert asyncio.run(adopted()) == expected
    # What was found is on record: another daemon finds the same.
    assert [each.state for each in reversed(operation_store.every(place.state))] == expected


def test_one_that_ended_alone_says_how_and_what_it_wrote(tmp_path: Path) -> None:
    place = opened(tmp_path)
    operation_store.write(place.state, operation(1))
    os.close(operation_store.open_log(place.state, operation(1).id))
    (place.state.operations / "00000001.log").write_text("dumping\nall is well\n")
    with pytest.raises(SystemExit):
        exit_file.keep(operation_store.exit_path(place.state, "00000001"), lambda: sys.exit(9))

    async def adopted() -> Operation:
        found = Operations()
        await found.adopt(place.state)
        return found.named("00000001")

    found = asyncio.run(adopted())
    assert (found.exit_code, found.words) == (9, "dumping\nall is well")
    assert found.finished_at is not None
    assert not operation_store.exit_path(place.state, "00000001").exists()


@pytest.mark.parametrize(("end", "code"), [(None, 0), (0, 0), (3, 3), ("a sentence", 1)])
def test_an_exit_code_is_that_of_the_process(tmp_path: Path, end: object, code: int) -> None:
    with pytest.raises(SystemExit):
        exit_file.keep(tmp_path / "exit", lambda: sys.exit(end))  # type: ignore[arg-type]
    assert exit_file.read(tmp_path / "exit") == code


def test_only_the_last_are_kept_and_nothing_that_runs_is_forgotten(tmp_path: Path) -> None:
    place = opened(tmp_path)
    ourselves = processes.identify(os.getpid())
    assert ourselves is not None
    runs = operation(0, pid=ourselves.pid, process_started=ourselves.started, boot=survivors.boot())
    operation_store.write(place.state, runs)
    for number in range(1, 205):
        operation_store.write(place.state, operation(number, finished_at=LONG_AGO, exit_code=0))
    (place.state.operations / "ffffffff.json").write_text("{")

    async def adopted() -> tuple[str, ...]:
        found = Operations(outlive=True)
        await found.adopt(place.state)
        known = tuple(each.id for each in found.all())
        await found.stop()
        return known

    known = asyncio.run(adopted())
    assert len(known) == 200
    assert runs.id in known
    assert operation(204).id in known
    assert operation(1).id not in known
    assert {each.id for each in operation_store.every(place.state)} == set(known)


def test_process_1_takes_everything_with_it_unless_somebody_says_otherwise() -> None:
    assert operations.outlives(None, pid=50, parent=40)
    assert not operations.outlives(None, pid=50, parent=1)
    assert not operations.outlives(None, pid=1, parent=0)
    assert not operations.outlives(None, pid=7, parent=0)
    assert operations.outlives(True, pid=50, parent=1)
    assert not operations.outlives(False, pid=50, parent=40)
