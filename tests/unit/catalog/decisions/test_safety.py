"""Whether one is safe: each limit from both of its sides."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.decisions import history, safety
from pgbackstop_catalog.decisions.attempts import attempt_of
from pgbackstop_catalog.decisions.safety import Finding, Severity, State
from pgbackstop_catalog.decisions.wal_segments import WalGap, WalState
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.vanished import Acknowledgement, VanishedTable
from tests.support import factories

NOON = factories.NOW
NIGHT = NOON.replace(hour=2)
HOUR = timedelta(hours=1)
FAILED = {"status": Status.FAILED, "reason": Reason.TOOL}


def subject(*records: Backup, seen: datetime = NOON - 30 * factories.DAY, **plan: object) -> safety.Subject:
    """A daily plan at 02:00 UTC with these attempts, and a drill of this week."""
    known = history.summarise(attempt_of(each) for each in records)
    return safety.Subject(
        plan=Plan.model_validate({"server": "main", "backup_type": "logical", **plan}),
        history=known,
        seen_at=seen.timestamp(),
        handled_until=known.handled_until,
        drill_success=(NOON - factories.DAY).timestamp(),
    )


def states(known: safety.Subject, now: datetime = NOON) -> dict[State, Severity]:
    """What is found at noon, by state."""
    return {each.state: each.severity for each in safety.of_subject(known, now.timestamp())}


GOOD = factories.backup(1, NIGHT + timedelta(minutes=1), scheduled_for=NIGHT)


def test_a_storage_that_gets_no_copies_is_a_warning_with_its_reason() -> None:
    (finding,) = safety.of_copies(["it is away"])
    assert (finding.state, finding.severity) == (State.NO_COPIES, Severity.WARNING)
    assert finding.reason == "no copies are made: it is away"
    assert safety.of_copies([]) == ()


def test_well_running_and_paused() -> None:
    assert states(subject(GOOD)) == {State.OK: Severity.OK}
    running = factories.backup(2, NOON, status=Status.RUNNING, finished_at=None)
    assert states(subject(GOOD, running)) == {State.RUNNING: Severity.OK}
    assert states(subject(enabled=False)) == {State.PAUSED: Severity.OK}


def test_too_old_begins_after_the_limit() -> None:
    ended = NIGHT + timedelta(minutes=1)
    assert State.TOO_OLD not in states(subject(GOOD), ended + 25 * HOUR)
    late = states(subject(GOOD), ended + 25 * HOUR + timedelta(seconds=1))
    assert late[State.TOO_OLD] is Severity.CRITICAL


def test_the_age_of_what_is_dated_in_the_future_is_unknown() -> None:
    ended = NIGHT + timedelta(minutes=1)
    assert states(subject(GOOD), ended - timedelta(minutes=5)) == {State.OK: Severity.OK}
    assert states(subject(GOOD), ended - timedelta(minutes=6)) == {State.UNKNOWN: Severity.WARNING}


def test_in_autumn_a_day_has_an_hour_more() -> None:
    ended = datetime(2026, 10, 24, 20, 1, tzinfo=UTC)
    before = factories.backup(1, ended)
    after = ended + 25 * HOUR + timedelta(minutes=30)
    berlin = subject(before, timezone="Europe/Berlin", schedule="0 22 * * *")
    assert State.TOO_OLD not in states(berlin, after)
    assert State.TOO_OLD in states(berlin, after + HOUR)


def test_never_run_becomes_never_succeeded() -> None:
    new = subject(seen=NIGHT - HOUR)
    assert states(new, NIGHT + HOUR)[State.NEVER_RUN] is Severity.WARNING
    assert states(new, NIGHT + 2 * HOUR)[State.NEVER_SUCCEEDED] is Severity.CRITICAL


def test_one_failure_warns_and_two_are_critical_until_a_success() -> None:
    first = factories.backup(2, NOON - 2 * HOUR, **FAILED)
    second = factories.backup(3, NOON - HOUR, **FAILED)
    assert states(subject(GOOD, first))[State.FAILED] is Severity.WARNING
    assert states(subject(GOOD, first, second))[State.FAILED] is Severity.CRITICAL
    assert State.FAILED not in states(subject(GOOD, first, second, factories.backup(4, NOON)))


def test_overdue_after_a_quarter_of_an_hour_unless_it_runs() -> None:
    due = NIGHT + factories.DAY
    assert State.OVERDUE not in states(subject(GOOD), due + timedelta(minutes=15))
    assert states(subject(GOOD), due + timedelta(minutes=16))[State.OVERDUE] is Severity.WARNING
    running = factories.backup(2, NOON, status=Status.RUNNING, finished_at=None)
    assert State.OVERDUE not in states(subject(GOOD, running), due + timedelta(minutes=16))


def test_missed_is_told_for_six_hours() -> None:
    missed = factories.backup(2, NOON, started_at=NOON, status=Status.MISSED, finished_at=None, missed_runs=1)
    assert states(subject(GOOD, missed), NOON + 5 * HOUR)[State.MISSED] is Severity.WARNING
    assert State.MISSED not in states(subject(GOOD, missed), NOON + 6 * HOUR)


def test_what_was_stored_is_away_or_cannot_be_seen() -> None:
    assert states(replace(subject(GOOD), missing=1))[State.MISSING] is Severity.CRITICAL
    assert states(replace(subject(GOOD), problem="not mounted"))[State.UNKNOWN] is Severity.UNKNOWN


def test_rows_that_vanished_are_told_for_thirty_days() -> None:
    lost = factories.backup(1, NOON, vanished=(VanishedTable(table="public.a", rows_before=5000, rows=1),))
    assert states(subject(lost))[State.VANISHED] is Severity.WARNING
    assert State.VANISHED not in states(subject(lost), NOON + 31 * factories.DAY)


def test_proofs() -> None:
    good = subject(GOOD)
    failed = replace(good, drill_failure=NOON.timestamp())
    assert states(failed)[State.DRILL_FAILED] is Severity.CRITICAL
    old = replace(good, drill_success=(NOON - 9 * factories.DAY).timestamp())
    assert states(old)[State.NOT_PROVEN] is Severity.WARNING
    assert states(replace(good, drill_success=0.0))[State.NOT_PROVEN] is Severity.WARNING
    new = replace(subject(GOOD, seen=NIGHT - HOUR), drill_success=0.0)
    assert State.NOT_PROVEN not in states(new), "the first drill is not due yet"
    assert State.NOT_PROVEN not in states(subject(GOOD, drill={"enabled": False}))


def wal(**changes: object) -> WalState:
    """The state of a receiver that is well."""
    facts = {
        "server": "main", "method": "stream", "status": "streaming", "started_at": NOON, "updated_at": NOON
    }  # fmt: skip
    return WalState.model_validate({**facts, **changes})


def test_wal() -> None:
    def found(state: WalState | None, *, is_received: bool) -> list[tuple[State, Severity]]:
        return [(each.state, each.severity) for each in safety.of_wal(state, is_received=is_received)]

    gap = WalGap(first="0" * 23 + "2", last="0" * 23 + "3", segments=2, found_at=NOON, timeline=1)
    assert found(wal(), is_received=True) == []
    assert found(None, is_received=True) == []
    assert found(None, is_received=False) == [(State.NO_WAL, Severity.WARNING)]
    assert found(wal(), is_received=False) == [(State.NO_WAL, Severity.CRITICAL)]
    assert found(wal(status="down"), is_received=True) == [(State.NO_WAL, Severity.CRITICAL)]
    assert found(wal(gaps=(gap,)), is_received=True) == [(State.GAP, Severity.CRITICAL)]


def test_the_daemon_is_silent_after_two_minutes() -> None:
    assert safety.of_daemon(NOON, NOON.timestamp() + 120) == ()
    assert safety.of_daemon(NOON, NOON.timestamp() + 121)[0].severity is Severity.CRITICAL


@pytest.mark.parametrize(
    ("state", "severity", "endangers"),
    [
        (State.TOO_OLD, Severity.CRITICAL, True),
        (State.UNKNOWN, Severity.UNKNOWN, True),
        (State.NEVER_RUN, Severity.WARNING, True),
        (State.OVERDUE, Severity.WARNING, False),
        (State.PAUSED, Severity.OK, False),
    ],
)
def test_what_endangers(state: State, severity: Severity, endangers: bool) -> None:
    assert Finding(state=state, severity=severity, reason="").endangers is endangers


def test_the_worst() -> None:
    found = [*safety.of_catalog(1), safety.unknown("no"), *safety.of_daemon(NOON, NOON.timestamp() + 500)]
    assert [each.severity for each in safety.worst_first(found)] == ["critical", "unknown", "warning"]
    assert safety.worst(found[:2]) is Severity.UNKNOWN
    assert safety.worst(()) is Severity.OK
    assert safety.of_catalog(0) == ()


def test_a_damaged_copy_is_a_warning() -> None:
    known = replace(subject(GOOD), damaged_copies=2)
    (finding,) = safety.of_subject(known, NOON.timestamp())
    assert (finding.state, finding.severity) == (State.COPY_DAMAGED, Severity.WARNING)
    assert finding.reason == "copies that are damaged: 2"
    assert not finding.endangers


def test_a_damaged_backup_is_dangerous_until_somebody_takes_note() -> None:
    damaged = factories.backup(
        2, NIGHT - factories.DAY, status=Status.FAILED, reason=Reason.CORRUPT, verification="failed"
    )
    assert states(subject(GOOD, damaged)) == {State.DAMAGED: Severity.CRITICAL}
    seen = damaged.evolve(acknowledged=Acknowledgement(at=NOON, operator="ops"))
    assert states(subject(GOOD, seen)) == {State.OK: Severity.OK}
