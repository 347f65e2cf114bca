"""Plans that people look at: one for all who look, some at a time, and no more than a few that wait."""

import asyncio
import time
from typing import Any

import pytest

from pgbackstop_catalog import errors
from pgbackstop_runner.console.restore_plans import Drawing, RestorePlans
from pgbackstop_runner.console.wishes import RecoverWish, RestoreWish, Told

NOWHERE: Any = None


def test_who_looks_at_the_same_restore_waits_for_the_same_plan_and_few_may_wait() -> None:
    async def look() -> None:
        plans = RestorePlans(_turn=asyncio.Semaphore(0))
        first = plans.look(NOWHERE, RestoreWish(backup="a"))
        assert plans.look(NOWHERE, RestoreWish(backup="a")) is first
        assert not first.is_good
        with pytest.raises(errors.ValidationError, match="Nobody has seen the plan"):
            plans.require(RestoreWish(backup="a"))
        for number in range(7):
            assert plans.look(NOWHERE, RestoreWish(backup="a", into=f"b{number}")) is not first
        with pytest.raises(errors.Busy, match="8 plans are being drawn already"):
            plans.look(NOWHERE, RestoreWish(backup="b"))
        await plans.stop()

    asyncio.run(look())


def test_a_plan_is_good_for_ten_minutes_after_somebody_has_seen_it() -> None:
    wish, now = RestoreWish(backup="a"), time.monotonic()
    plans = RestorePlans(_known={wish: Drawing(told=Told(), ended=now - 300, seen=now - 601)})
    with pytest.raises(errors.ValidationError, match="within 10 minutes"):
        plans.require(wish)
    assert plans.look(NOWHERE, wish).told == plans.require(wish), "who looks again has seen it"


def test_no_name_is_read_as_an_option() -> None:
    restore = RestoreWish(backup="--clean", into="--in-place", roles=True, accept_missing=True)
    assert restore.arguments("--yes-replace=shop") == (
        *("restore", "--into=--in-place", "--globals", "--accept-missing", "--yes-replace=shop"),
        *("--", "--clean"),
    )
    recover = RecoverWish(server="--start", into="/x --start", moment="--now", port="5433")
    assert recover.dry_run() == (
        *("recover", "--into=/x --start", "--time=--now", "--start", "--port=5433", "--dry-run"),
        *("--", "--start"),
    )
