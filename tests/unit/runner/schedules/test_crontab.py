"""Lines for cron: due whenever the plan is, by a clock that knows one zone; and our block among others."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.schedule import Schedule
from pgbackstop_catalog.config.verify import Verify
from pgbackstop_runner.schedules import crontab, host_clock, jobs
from tests.unit.runner.schedules.world import EXPRESSIONS, NOW, TARGET, config, expressions, job

ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/St_Johns")
OTHERS = "MAILTO=root\n0 1 * * * /bin/true\n"


def _line(expression: str, zone: str, host: str) -> str:
    made, schedule = job(expression, zone)
    return crontab.times(made, schedule, _offset_of(host), NOW)


def _offset_of(host: str) -> Callable[[datetime], timedelta]:
    return lambda moment: moment.astimezone(ZoneInfo(host)).utcoffset() or timedelta()


def _starts(line: str, wall: datetime) -> bool:
    """Whether cron starts the line at that minute of its clock."""
    before = wall.replace(tzinfo=None, second=0, microsecond=0) - timedelta(seconds=1)
    return next(CronSim(line, before)) == wall.replace(tzinfo=None, second=0, microsecond=0)


@given(expressions(), st.sampled_from(ZONES), st.sampled_from(ZONES))
def test_cron_starts_whenever_it_is_due(expression: str, zone: str, host: str) -> None:
    line = _line(expression, zone, host)
    for due in islice(Schedule(expression=expression, timezone=zone).after(NOW), 5):
        assert _starts(line, due.astimezone(ZoneInfo(host))), (line, due)


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("host", ["UTC", "Asia/Kolkata"])
def test_every_kind_of_expression_has_its_line(expression: str, host: str) -> None:
    line = _line(expression, "UTC", host)
    for due in islice(Schedule(expression=expression).after(NOW), 30):
        assert _starts(line, due.astimezone(ZoneInfo(host))), (line, due)


@pytest.mark.parametrize("host", ["UTC", "Europe/Berlin"])
def test_changes_of_the_clock_in_the_plans_zone_lose_no_run(host: str) -> None:
    line = _line("30 2 * * *", "America/New_York", host)
    winter = datetime(2027, 3, 1, tzinfo=UTC)
    for due in islice(Schedule(expression="30 2 * * *", timezone="America/New_York").after(winter), 30):
        # In spring 02:30 is not there: the run is due at 03:00, and starts at the next line inside the grace.
        late = due if due.minute == 30 else due + timedelta(minutes=30)
        assert _starts(line, late.astimezone(ZoneInfo(host))), (line, due)


def test_the_hosts_own_zone_needs_no_more_starts_than_runs() -> None:
    assert _line("0 2 * * 1-5", "Europe/Berlin", "Europe/Berlin") == "0 2 * * 1,2,3,4,5"
    assert _line("0 2 * * *", "Europe/Berlin", "UTC") == "0 * * * *"
    assert _line("0 2 * * *", "Asia/Kolkata", "UTC") == "30 * * * *"


def test_what_cannot_decide_is_started_by_the_hosts_clock() -> None:
    made, schedule = job("30 6 * * *", decides=False)
    assert crontab.times(made, schedule, _offset_of("Europe/Berlin"), NOW) == "30 6 * * *"


def test_seconds_are_refused() -> None:
    with pytest.raises(errors.ConfigError, match="cron knows no seconds"):
        _line("*/10 0 2 * * *", "UTC", "UTC")


def test_the_block_has_every_job_and_its_command_survives_cron() -> None:
    block = crontab.block(TARGET, jobs.jobs(config()), host_clock.in_utc, NOW)
    lines = block.splitlines()
    assert [line for line in lines if "off" in line] == []
    command = r"'/opt/pg backstop/100\%/pgbackstop' --config /etc/pgbackstop/main.yaml"
    assert f"0 2 * * * {command} backup shop --scheduled" in lines
    assert f"0 5 * * 1 {command} drill shop --scheduled" in lines
    assert f"30 6 * * * {command} expire" in lines
    assert f"0 4 * * * {command} verify --due" in lines
    assert any(line.startswith("#") and line.endswith("wal receive main") for line in lines)


def test_what_the_configuration_turns_off_is_not_started() -> None:
    unread = config().model_copy(update={"verify": Verify(enabled=False)})
    assert "verify" not in {job.name for job in jobs.jobs(unread)}


@pytest.mark.parametrize("before", ["", OTHERS, OTHERS.rstrip("\n")])
def test_a_block_goes_in_is_replaced_and_goes_out(before: str) -> None:
    block = crontab.block(TARGET, jobs.jobs(config()), host_clock.in_utc, NOW)
    other = crontab.block(TARGET, jobs.jobs(config(schedule="0 9 * * *")), host_clock.in_utc, NOW)
    once = crontab.with_block(before, TARGET.file, block)
    assert crontab.with_block(once, TARGET.file, block) == once
    again = crontab.with_block(once + "0 3 * * * after\n", TARGET.file, other)
    assert again.count("# BEGIN pgbackstop") == 1
    assert "0 9 * * *" in again
    assert "0 2 * * *" not in again
    out = crontab.without_block(again, TARGET.file)
    assert out.rstrip("\n") == f"{before.rstrip(chr(10))}\n0 3 * * * after".lstrip("\n")


def test_a_block_of_another_configuration_stays() -> None:
    file = "/etc/pgbackstop/main.yaml2"
    other = f"# BEGIN pgbackstop {file}\n1 1 * * * x\n# END pgbackstop {file}\n"
    assert crontab.without_block(other, TARGET.file) == other


def test_a_block_whose_end_is_gone_takes_nothing_else_with_it() -> None:
    broken = f"# BEGIN pgbackstop {TARGET.file}\n0 1 * * * mine\n"
    assert crontab.without_block(broken, TARGET.file) == "0 1 * * * mine\n"
