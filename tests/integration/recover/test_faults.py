"""What goes wrong on the way: no half directory passes for a server, and the next run says what to do."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_runner.recover.data_directory import UNFINISHED
from tests.integration.recover import primary as primaries
from tests.integration.recover.conftest import MakePrimary
from tests.integration.recover.primary import Primary
from tests.support import accounts, backups, places, ports

KILLER = Path(__file__).with_name("killer.py")


def starts(primary: Primary, data: Path) -> subprocess.CompletedProcess[str]:
    """PostgreSQL itself, asked to start that directory as it stands."""
    who = accounts.unprivileged()
    for path in (data, *data.rglob("*")):
        if not path.is_symlink():
            who.own(path)
    return subprocess.run(
        [primary.server.programs.tool("postgres"), "-D", str(data), "-p", str(ports.free())],
        capture_output=True,
        text=True,
        check=False,
        timeout=backups.PATIENCE,
        cwd="/",
        **who.credentials,
    )


def killed_when(primary: Primary, name: str) -> Path:
    """Recovers, and kills it as soon as a file of that name is there; returns the unfinished place."""
    place = primary.target()
    words = ["--config", str(primary.site.file), "recover", "main", "--into", str(place)]
    done = subprocess.run(
        [sys.executable, KILLER, place / name, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * backups.PATIENCE,
        env=backups.environment(),
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return place


@pytest.mark.parametrize("moment", ["global/1260", "global/pg_control", "RECOVER.md", "recovery.signal"])
def test_killed_at_any_step_it_does_not_start_and_says_so(history17: Primary, moment: str) -> None:
    place = killed_when(history17, moment)

    refused = starts(history17, place)
    assert refused.returncode != 0
    early = "could not access the server configuration file"
    assert "is not a valid data directory" in refused.stderr or early in refused.stderr
    assert "did not finish" in (place / UNFINISHED / "README").read_text()

    again = history17.recover(place)
    words = backups.sentence(again)
    assert again.returncode == 3
    assert "a recovery that did not finish" in words
    assert "ended in step 'unpack'" in words
    newest = next(iter(history17.site.catalog.restores()))
    assert (newest.status, newest.reason) == (Status.INTERRUPTED, Reason.INTERRUPTED)

    command = words.partition("run this again: ")[2].splitlines()[0]
    subprocess.run(["sh", "-c", command], check=True)
    with history17.recovered(into=place) as clone:
        assert clone.beats() == list(range(1, 41))


def test_a_signal_leaves_an_empty_place_and_a_record(history17: Primary) -> None:
    place = history17.target()
    place.mkdir()
    with history17.site.start("recover", "main", "--into", str(place)) as runner:
        backups.until((place / "global" / "1260").exists, "the first files")
        runner.send_signal(signal.SIGTERM)
        assert runner.wait(backups.PATIENCE) == 130
    assert list(place.iterdir()) == []
    newest = next(iter(history17.site.catalog.restores()))
    assert newest.status is Status.INTERRUPTED


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk that holds a base backup and not much more."""
    folder = places.make()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=60m,mode=755", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        places.remove(folder)


@pytest.mark.root
def test_a_disk_that_is_known_to_be_too_small(history17: Primary, small_disk: Path) -> None:
    (small_disk / "other").write_bytes(b"x" * 50_000_000)
    done = history17.recover(small_disk / "data")
    assert done.returncode == 3
    assert "is too small" in backups.sentence(done)
    assert [path.name for path in small_disk.iterdir()] == ["other"]


@pytest.mark.root
def test_a_disk_that_is_full_in_the_middle(history17: Primary, small_disk: Path) -> None:
    (small_disk / "other").write_bytes(b"x" * 40_000_000)
    newest = history17.site.newest()
    # As a record has it that does not know the size of its server.
    history17.site.catalog.put(newest.evolve(source_size_bytes=None))
    try:
        done = history17.recover(small_disk / "data")
    finally:
        history17.site.catalog.put(newest)
    assert done.returncode == 1
    assert "No space left on device" in backups.sentence(done)
    assert "Make room, or choose another place." in backups.sentence(done)
    assert [path.name for path in small_disk.iterdir()] == ["other"]
    assert next(iter(history17.site.catalog.restores())).reason is Reason.SPACE


def test_limits_raised_after_the_backup(make_primary: MakePrimary) -> None:
    primary = make_primary(server={"max_connections": "20"})
    primary.receive()
    primary.backup()
    primary.beat(1, 5)
    primary.stop_receiver()
    primary.server.configure({"max_connections": "60", "max_prepared_transactions": "7"})
    primary.server.restart()
    primary.site.write()
    primary.receive()
    primary.beat(6, 10)
    primary.switch()
    primary.beat(11, 12)
    primary.caught_up()
    with primary.recovered() as clone:
        assert clone.beats() == list(range(1, 13))
        assert "a limit was raised" in clone.said
        assert clone.setting("max_connections") == "60"


def test_limits_lower_in_the_configuration_that_came_along(make_primary: MakePrimary) -> None:
    primary = make_primary(server={"max_connections": "60"})
    # Written, and never in force: the server was not restarted.
    primary.server.configure({"max_connections": "10"})
    primary.receive()
    primary.backup()
    primary.beat(1, 5)
    primary.caught_up()
    with primary.recovered() as clone:
        assert clone.beats() == [1, 2, 3, 4, 5]
        assert clone.setting("max_connections") == "60"


def test_what_production_says_of_itself_is_not_done_by_a_clone(make_primary: MakePrimary) -> None:
    primary = make_primary()
    witness = primary.server.folder / "witness"
    primary.server.configure(
        {
            "data_directory": str(primary.server.data),
            "recovery_end_command": f"touch {witness}",
            "archive_cleanup_command": f"touch {witness}",
            "synchronous_standby_names": "",
            "recovery_target_lsn": "0/1",
            "recovery_min_apply_delay": "1d",
            "external_pid_file": str(witness),
        }
    )
    primary.receive()
    primary.backup()
    primary.beat(1, 3)
    primary.caught_up()
    primary.server.execute("alter system set cluster_name = 'it''s \\ ours'")
    with primary.recovered() as clone:
        assert clone.beats() == [1, 2, 3]
        assert clone.setting("data_directory") == str(clone.data)
    assert not witness.exists()
    assert primary.server.execute("select count(*) from beats") == [(3,)]


def test_after_the_server_is_killed_the_unfinished_segment_counts(make_primary: MakePrimary) -> None:
    primary = make_primary()
    primary.receive()
    primary.backup()
    primary.beat(1, 10)
    primary.switch()
    primary.beat(11, 25)
    primary.caught_up()
    primary.server.kill()
    primary.stop_receiver(signal.SIGKILL)
    with primary.recovered() as clone:
        assert clone.beats() == list(range(1, 26))


def test_no_process_of_a_failed_replay_stays(history17: Primary) -> None:
    place = history17.target()
    done = history17.recover(place, "--start", "--port", str(ports.free()), "--name", "never made")
    assert done.returncode == 1
    words = backups.sentence(done)
    assert "The WAL ends without the target" in words
    assert "--backup" in words
    assert not (place / "postmaster.pid").exists()
    here = [each for each in psutil.process_iter(["cmdline"]) if str(place) in (each.info["cmdline"] or [])]
    assert here == []
    assert next(iter(history17.site.catalog.restores())).status is Status.FAILED


@pytest.fixture
def small_place(make_primary: MakePrimary) -> Iterator[tuple[Primary, Path]]:
    """A primary, and a place with room for its base backup, and not for what is replayed after it."""
    primary = make_primary()
    primary.receive()
    primary.backup()
    primary.server.execute(
        "create table big as select n, repeat(md5(n::text), 40) from generate_series(1, 90000) n"
    )
    primary.switch()
    primary.caught_up()
    place = primary.target()
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=130m", "tmpfs", place], check=True)
    try:
        yield primary, place
    finally:
        primaries.end(place)
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.root
@pytest.mark.slow
def test_a_disk_that_fills_while_wal_is_replayed_is_named(small_place: tuple[Primary, Path]) -> None:
    primary, place = small_place
    done = primary.recover(place, "--start", "--port", str(ports.free()))
    words = backups.sentence(done)
    assert done.returncode != 0
    assert f"The disk of {place} is full" in words
    assert "No space left on device" in words
    assert next(iter(primary.site.catalog.restores())).reason is Reason.SPACE
