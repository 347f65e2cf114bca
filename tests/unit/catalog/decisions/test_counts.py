"""Counts of attempts: none is lost or counted twice when its record is removed."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog.decisions.attempts import attempt_of
from pgbackstop_catalog.decisions.counts import count, folded, tallied
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.totals import Totals
from tests.support.factories import NOW, daily

HOUR = timedelta(hours=1)

STATUSES = st.sampled_from([Status.SUCCEEDED, Status.FAILED, Status.INTERRUPTED, Status.MISSED])
RECORDS = st.lists(
    st.builds(
        lambda status, database, n: daily(
            NOW - n * HOUR, status=status, database=database, missed_runs=n if status is Status.MISSED else 0
        ),
        STATUSES,
        st.sampled_from(["shop", "crm", ""]),
        st.integers(0, 500),
    ),
    max_size=20,
)


@given(records=RECORDS, cut=st.integers(0, 20))
def test_counts_never_change_by_folding(records: list[Backup], cut: int) -> None:
    tally = folded(Totals(plan="daily"), records[:cut])
    for database in ("shop", "crm", ""):
        own = [record for record in records if record.database == database]
        kept = [record for record in records[cut:] if record.database == database]
        before = count(map(attempt_of, own))
        after = count(map(attempt_of, kept)).plus(tallied(tally, database))
        assert after == before
    assert tally.folding == tuple(record.id for record in records[:cut])


def test_a_reason_of_a_newer_version_is_still_a_failure() -> None:
    tally = Totals(plan="daily", failures={"shop": {"comet": 2, "internal": 1}})
    assert tallied(tally, "shop").failures == {Reason.INTERNAL: 3}
