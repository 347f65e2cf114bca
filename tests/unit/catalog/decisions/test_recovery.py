"""Which backup a recovery begins from, which timeline it follows, and what is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import recovery
from pgbackstop_catalog.decisions.recovery import RecoveryPlan, RecoverySources, Target
from pgbackstop_catalog.decisions.wal_segments import Switch
from pgbackstop_catalog.decisions.windows import Window
from pgbackstop_catalog.records.backup import Backup
from tests.support import factories
from tests.support.factories import DAY, NOW

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
LATEST = Target(kind="latest")
OLD = factories.physical(1, NOW - 2 * DAY, start_lsn="0/2000028", stop_lsn="0/2000120", timeline=1)
NEW = factories.physical(2, NOW - DAY, start_lsn="0/8000028", stop_lsn="0/8000120", timeline=1)


def window(start: datetime, end: datetime, *, timeline: int = 1, backup: Backup = OLD) -> Window:
    return Window(start=start, end=end, ends="archive", reason="no more", backup=backup.id, timeline=timeline)


WHOLE = window(NOW - 2 * DAY, NOW)


def choose(
    target: Target, *backups: Backup, windows: tuple[Window, ...] = (WHOLE,), **more: Any
) -> RecoveryPlan:
    known = RecoverySources(backups=backups or (OLD, NEW), windows=windows, switches=more.pop("switches", {}))
    return recovery.choose(target, known, **more)


def at(moment: datetime) -> Target:
    return recovery.parse_time(moment.isoformat())


def refused(*arguments: Any, **more: Any) -> str:
    with pytest.raises(errors.ValidationError) as caught:
        choose(*arguments, **more)
    return str(caught.value)


class TestParsing:
    def test_a_time_keeps_its_moment_in_utc(self) -> None:
        target = recovery.parse_time("2026-10-25T02:30:00+02:00")
        assert target.moment == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
        assert target.value == "2026-10-25 00:30:00.000000+00:00"
        assert str(target) == "time 2026-10-25 00:30:00.000000+00:00"

    @pytest.mark.parametrize("text", ["2026-10-25T02:30:00", "2026-10-25"])
    def test_a_time_without_a_zone_is_refused_with_one_that_has_it(self, text: str) -> None:
        with pytest.raises(errors.ConfigError, match="no time zone") as caught:
            recovery.parse_time(text)
        proposed = caught.value.remedy.split()[4]
        assert recovery.parse_time(proposed).moment is not None

    @pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00Z", "0001-01-01T00:00:00+14:00"])
    def test_what_is_no_time(self, text: str) -> None:
        with pytest.raises(errors.ConfigError, match="is no time"):
            recovery.parse_time(text)

    def test_a_position_is_written_as_postgresql_does(self) -> None:
        assert recovery.parse_lsn("16/b374d848").value == "16/B374D848"

    @pytest.mark.parametrize("text", ["", "16", "/5", "-1/5", "1/FFFFFFFFF", "0x1/2", "1/2/3"])
    def test_what_is_no_position(self, text: str) -> None:
        with pytest.raises(errors.ConfigError, match="is no LSN"):
            recovery.parse_lsn(text)

    @pytest.mark.parametrize("text", ["", "2", "-7", "abc", "7'; x", "99999999999999999999"])
    def test_what_is_no_transaction(self, text: str) -> None:
        with pytest.raises(errors.ConfigError, match="is no transaction"):
            recovery.parse_xid(text)

    def test_a_transaction(self) -> None:
        assert str(recovery.parse_xid("731")) == "xid 731"

    @pytest.mark.parametrize("text", ["", "a\nb", "x" * 64, "ü" * 32])
    def test_what_is_no_name(self, text: str) -> None:
        with pytest.raises(errors.ConfigError, match="is no name"):
            recovery.parse_name(text)

    def test_a_name(self) -> None:
        assert recovery.parse_name("it's before").value == "it's before"


class TestTime:
    def test_the_newest_backup_that_ended_before(self) -> None:
        assert choose(at(NOW - HOUR)).backup == NEW
        assert choose(at(NOW - DAY - HOUR)).backup == OLD

    def test_the_very_end_of_a_backup_is_enough(self) -> None:
        assert choose(at(NOW - DAY)).backup == NEW

    def test_before_the_first_window(self) -> None:
        words = refused(at(NOW - 3 * DAY))
        assert "before the first moment" in words
        assert "One can recover to any moment of" in words

    def test_after_the_last(self) -> None:
        assert "after the last moment" in refused(at(NOW + HOUR))

    def test_inside_a_base_backup(self) -> None:
        moment = (NOW - 2 * DAY) - MINUTE / 2
        assert f"inside backup {OLD.id}" in refused(at(moment))

    def test_inside_a_backup_that_an_older_one_covers_is_fine(self) -> None:
        assert choose(at(NOW - DAY - MINUTE / 2)).backup == OLD

    def test_in_a_gap(self) -> None:
        windows = (window(NOW - 2 * DAY, NOW - 30 * HOUR), window(NOW - DAY, NOW, backup=NEW))
        assert "in a gap" in refused(at(NOW - 26 * HOUR), windows=windows)
        assert choose(at(NOW - HOUR), windows=windows).backup == NEW

    def test_without_any_window(self) -> None:
        words = refused(at(NOW), windows=())
        assert "cannot be recovered to" in words
        assert "There is no recovery window" in words

    def test_a_named_backup_that_ended_later(self) -> None:
        assert "is not after the end of" in refused(at(NOW - 30 * HOUR), backup_id=NEW.id)


class TestOtherTargets:
    def test_latest_begins_with_the_newest(self) -> None:
        plan = choose(LATEST)
        assert (plan.backup, plan.timeline, plan.window) == (NEW, 1, WHOLE)
        assert "no more" in plan.reason

    def test_latest_without_any_wal_is_the_backup(self) -> None:
        plan = choose(LATEST, windows=())
        assert (plan.backup, plan.window) == (NEW, None)

    def test_immediate_needs_no_window(self) -> None:
        plan = choose(Target(kind="immediate"), windows=())
        assert (plan.backup, plan.timeline, plan.window) == (NEW, 1, None)

    def test_a_position_takes_the_newest_backup_before_it(self) -> None:
        assert choose(recovery.parse_lsn("0/8000120")).backup == NEW
        assert choose(recovery.parse_lsn("0/800011F")).backup == OLD

    def test_a_position_before_every_backup(self) -> None:
        words = refused(recovery.parse_lsn("0/200011F"))
        assert "before the end of every backup" in words
        assert f"{OLD.id} ends at 0/2000120" in words

    @pytest.mark.parametrize("target", [recovery.parse_xid("731"), recovery.parse_name("here")])
    def test_what_nobody_can_place_begins_with_the_newest_and_says_so(self, target: Target) -> None:
        plan = choose(target)
        assert plan.backup == NEW
        assert "--backup" in plan.reason

    def test_no_backup_at_all(self) -> None:
        known = RecoverySources(backups=[factories.backup(9, NOW)], windows=[])
        with pytest.raises(errors.ValidationError, match="no physical backup"):
            recovery.choose(LATEST, known)

    def test_expired_and_failed_ones_do_not_count(self) -> None:
        expired = NEW.evolve(expired_at=NOW)
        assert choose(LATEST, OLD, expired).backup == OLD


class TestNamedBackup:
    def test_by_its_beginning(self) -> None:
        plan = choose(LATEST, backup_id=OLD.id[:-3])
        assert plan.backup == OLD
        assert "as asked" in plan.reason

    def test_one_that_is_not_there(self) -> None:
        with pytest.raises(errors.NotFound, match="no physical backup '2020'"):
            choose(LATEST, backup_id="2020")

    def test_a_beginning_of_two(self) -> None:
        with pytest.raises(errors.NotFound, match="beginning of 2 backups"):
            choose(LATEST, backup_id="2026")


class TestChains:
    middle = factories.physical(3, NOW - 5 * HOUR, parent=NEW, stop_lsn="0/9000000", timeline=1)
    last = factories.physical(4, NOW - 4 * HOUR, parent=middle, stop_lsn="0/A000000", timeline=1)

    def test_from_the_full_one_to_the_last(self) -> None:
        plan = choose(at(NOW - HOUR), OLD, NEW, self.middle, self.last)
        assert plan.chain == (NEW, self.middle, self.last)

    def test_a_named_incremental_one_finds_its_parents(self) -> None:
        plan = choose(at(NOW - HOUR), NEW, self.middle, self.last, backup_id=self.last.id)
        assert plan.chain == (NEW, self.middle, self.last)

    @pytest.mark.parametrize("full", [(), (NEW.evolve(expired_at=NOW),)])
    def test_a_missing_parent(self, full: tuple[Backup, ...]) -> None:
        assert f"parent {NEW.id} is not there" in refused(LATEST, *full, self.middle, self.last)

    def test_records_that_name_each_other_end_too(self) -> None:
        circle = self.middle.evolve(parent=self.last.id)
        assert "is not there" in refused(LATEST, circle, self.last)


class TestTimelines:
    """The server went back to 0/5000000 on timeline 1 and on as timeline 2; NEW was made before that."""

    switches = {2: Switch(parent=1, lsn=0x5000000)}  # noqa: RUF012 - a constant
    after = factories.physical(5, NOW - 2 * HOUR, stop_lsn="0/6000000", timeline=2)
    main = window(NOW - 2 * DAY, NOW, timeline=2)
    abandoned = window(NOW - DAY, NOW - 20 * HOUR, timeline=1, backup=NEW)

    def choose(self, target: Target, **more: Any) -> RecoveryPlan:
        windows = (self.main, self.abandoned)
        return choose(target, OLD, NEW, self.after, windows=windows, switches=self.switches, **more)

    def test_the_newer_timeline_does_not_begin_from_an_abandoned_backup(self) -> None:
        plan = self.choose(at(NOW - 21 * HOUR))
        assert (plan.backup, plan.timeline) == (OLD, 2)

    def test_the_abandoned_timeline_when_it_is_asked_for(self) -> None:
        plan = self.choose(at(NOW - 21 * HOUR), timeline=1)
        assert (plan.backup, plan.timeline, plan.window) == (NEW, 1, self.abandoned)

    def test_latest_is_the_newest_timeline(self) -> None:
        plan = self.choose(LATEST)
        assert (plan.backup, plan.timeline, plan.window) == (self.after, 2, self.main)

    def test_latest_of_the_abandoned_one(self) -> None:
        plan = self.choose(LATEST, timeline=1)
        assert (plan.backup, plan.timeline) == (NEW, 1)

    def test_a_position_on_the_abandoned_one(self) -> None:
        plan = self.choose(recovery.parse_lsn("0/9000000"), timeline=1)
        assert (plan.backup, plan.timeline) == (NEW, 1)

    def test_a_timeline_that_no_backup_leads_to(self) -> None:
        with pytest.raises(errors.ValidationError, match="No backup leads to timeline 7"):
            self.choose(LATEST, timeline=7)

    def test_a_backup_that_does_not_know_its_end_leads_only_to_its_own(self) -> None:
        unknown = OLD.evolve(stop_lsn=None)
        assert recovery.is_leading_to(1, unknown, self.switches)
        assert not recovery.is_leading_to(2, unknown, self.switches)

    def test_histories_that_name_each_other_end(self) -> None:
        circle = {1: Switch(parent=2, lsn=5), 2: Switch(parent=1, lsn=7)}
        assert recovery.lineage(2, circle) == {2: None, 1: 7}
