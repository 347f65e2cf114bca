"""Every kind of target gives exactly the heartbeats up to it, on every major version."""

from datetime import timedelta

from pgbackstop_catalog.records.attempt import Status
from tests.integration.recover.primary import Primary
from tests.support import accounts, backups


def test_a_moment_in_the_middle_of_writes(history: Primary) -> None:
    commits = history.commits()
    moment = commits[25] + (commits[26] - commits[25]) / 2
    with history.recovered("--time", moment.isoformat()) as clone:
        assert clone.beats() == [n for n, at in commits.items() if at <= moment]
        assert clone.beats()[-1] == 25
        assert clone.execute("select pg_is_in_recovery()") == [(False,)]


def test_the_latest_moment(history: Primary) -> None:
    with history.recovered() as clone:
        assert clone.beats() == list(range(1, 41))
        # Nothing of what it was reaches what it came from.
        assert clone.setting("archive_mode") == "off"
        assert clone.setting("primary_slot_name") == ""
        assert clone.setting("listen_addresses") == "127.0.0.1"
        assert clone.execute("select count(*) from pg_replication_slots") == [(0,)]
        assert not list((clone.data / "pg_wal").glob("pgbackstop-*"))
    record = next(iter(history.site.catalog.restores()))
    assert (record.what, record.status, record.target_kind) == ("recover", Status.SUCCEEDED, "latest")
    assert [step.name for step in record.steps] == ["check", "unpack", "replay", "check result"]
    assert [(check.name, check.ok) for check in record.checks] == [("indexes", True)]
    assert record.duration_seconds is not None


def test_a_commit_at_the_very_moment_counts(history17: Primary) -> None:
    moment = history17.commits()[17]
    with history17.recovered("--time", moment.isoformat()) as clone:
        assert clone.beats()[-1] == 17


def test_a_moment_after_which_nothing_was_committed(history17: Primary) -> None:
    moment = history17.commits()[40] + timedelta(microseconds=1)
    with history17.recovered("--time", moment.isoformat()) as clone:
        assert clone.beats() == list(range(1, 41))
        assert "nothing was committed after the target" in clone.said


def test_where_nothing_was_committed_afterwards_it_does_not_pause_and_says_so(history17: Primary) -> None:
    moment = history17.commits()[40] + timedelta(microseconds=1)
    place = history17.target()
    with history17.recovered("--time", moment.isoformat(), "--pause", into=place) as clone:
        assert clone.execute("select pg_is_in_recovery()") == [(False,)]
        assert "did not pause but took over" in clone.said
        assert "Paused" not in clone.said
        assert "pg_wal_replay_resume" not in clone.said
    assert "it takes over then" in (place / "RECOVER.md").read_text()


def test_a_named_point(history17: Primary) -> None:
    with history17.recovered("--name", "after ten") as clone:
        assert clone.beats() == list(range(1, 11))


def test_a_transaction(history17: Primary) -> None:
    ((xid,),) = history17.server.execute("select xmin::text from beats where n = 33")
    with history17.recovered("--xid", str(xid)) as clone:
        assert clone.beats()[-1] == 33


def test_a_position(history17: Primary) -> None:
    backup = history17.site.newest()
    with history17.recovered("--lsn", str(backup.stop_lsn)) as clone:
        assert clone.beats() == []


def test_only_the_backup(history17: Primary) -> None:
    with history17.recovered("--immediate") as clone:
        assert clone.beats() == []


def test_a_place_behind_a_link(history17: Primary) -> None:
    place, real = history17.target(), history17.target()
    real.mkdir()
    place.symlink_to(real)
    with history17.recovered("--immediate", into=place) as clone:
        assert clone.beats() == []
    owners = {path.lstat().st_uid for path in (real, *real.rglob("*"))}
    assert owners == {accounts.unprivileged().uid}


def test_paused_and_continued(history17: Primary) -> None:
    with history17.recovered("--name", "after ten", "--pause") as clone:
        assert clone.execute("select pg_is_in_recovery()") == [(True,)]
        assert clone.beats() == list(range(1, 11))
        assert "Paused at the target" in clone.said
        assert "pg_wal_replay_resume" in clone.said
        clone.execute("select pg_wal_replay_resume()")
        backups.until(
            lambda: clone.execute("select not pg_is_in_recovery()") == [(True,)], "the end of recovery"
        )
        clone.execute("insert into beats (n) values (1000)")
        assert clone.beats()[-1] == 1000
