"""What a recovered server is told, as text; that PostgreSQL understands it is tested on real servers."""

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog.decisions.recovery import RecoveryPlan, Target
from pgbackstop_runner.recover import server_settings
from tests.support import factories
from tests.support.factories import NOW

BACKUP = factories.physical(1, NOW, start_lsn="0/2000028", stop_lsn="0/2000120", timeline=1)
WORDS = st.text(st.characters(exclude_characters="\0\n", exclude_categories=["Cs"]), min_size=1)


def told(target: Target, *, exact_target: bool = True) -> dict[str, str]:
    return server_settings.recovery(
        RecoveryPlan(chain=(BACKUP,), target=target, timeline=3, window=None, reason=""),
        wal_from=server_settings.fetching(Path("/data/restore-wal.sh"), Path("/archive"), 16 << 20),
        controls={"max_connections setting": "250", "wal_level setting": "replica"},
        action="promote",
        exact_target=exact_target,
    )


@pytest.mark.parametrize(
    ("target", "name", "value"),
    [
        (
            Target(kind="time", value="2026-11-22 12:00:00+00"),
            "recovery_target_time",
            "2026-11-22 12:00:00+00",
        ),
        (Target(kind="lsn", value="0/3000000"), "recovery_target_lsn", "0/3000000"),
        (Target(kind="xid", value="731"), "recovery_target_xid", "731"),
        (Target(kind="name", value="before"), "recovery_target_name", "before"),
        (Target(kind="immediate"), "recovery_target", "immediate"),
    ],
)
def test_one_target_and_the_others_away(target: Target, name: str, value: str) -> None:
    """PostgreSQL refuses two, and an empty one forgets what came before: the one that counts is last."""
    lines = told(target)
    targets = [key for key in lines if key.startswith("recovery_target") and lines[key] == value]
    assert targets == [name]
    others = ("recovery_target", "recovery_target_time", "recovery_target_lsn", "recovery_target_xid")
    assert all(lines[other] == "" for other in others if other != name)
    assert list(lines)[-1] == name


def test_all_there_is() -> None:
    assert told(Target(kind="latest"))["recovery_target"] == ""
    quiet = told(Target(kind="time", value="2026-11-22 12:00:00+00"), exact_target=False)
    assert quiet["recovery_target_time"] == ""
    # A standby's backup ends with its WAL.
    assert told(Target(kind="immediate"), exact_target=False)["recovery_target"] == ""


def test_limits_of_the_primary_and_its_timeline() -> None:
    lines = told(Target(kind="latest"))
    assert lines["max_connections"] == "250"
    assert lines["recovery_target_timeline"] == "3"
    assert "wal_level" not in lines


def test_nothing_of_what_the_primary_did_goes_on() -> None:
    lines = told(Target(kind="latest"))
    assert lines["archive_mode"] == "off"
    assert lines["archive_command"] == lines["primary_conninfo"] == lines["primary_slot_name"] == ""
    # Its own command at the end of a recovery gives way to ours, also where nothing is archived.
    assert "restore-wal.sh clean pg_wal" in lines["recovery_end_command"]
    assert server_settings.QUIET["recovery_end_command"] == ""
    assert "recovery_end_command" not in server_settings.NOTHING_ARCHIVED


@given(WORDS, WORDS)
def test_any_path_is_one_word_of_the_shell(script: str, archive: str) -> None:
    lines = server_settings.fetching(Path("/", script), Path("/", archive), 1024)
    plain = lines["restore_command"].replace("%f", "F").replace("%p", "P").replace("%%", "%")
    if "%" not in script + archive:
        assert shlex.split(plain) == [
            "/bin/sh",
            f"{Path('/', script)}",
            f"{Path('/', archive)}",
            "1024",
            "F",
            "P",
        ]
    assert lines["recovery_end_command"].endswith(" clean pg_wal")


def test_a_percent_sign_is_not_a_placeholder() -> None:
    lines = server_settings.fetching(Path("/a%f/restore-wal.sh"), Path("/b%p"), 1024)
    assert lines["restore_command"] == '/bin/sh /a%%f/restore-wal.sh /b%%p 1024 "%f" "%p"'
    assert lines["recovery_end_command"] == "/bin/sh /a%%f/restore-wal.sh clean pg_wal"


def test_written_twice_it_stands_there_once(tmp_path: Path) -> None:
    (tmp_path / "postgresql.auto.conf").write_text("work_mem = '8MB'\nrecovery_target_time = 'old'\n")
    (tmp_path / "postgresql.conf").write_text("port = 5432\nData_Directory = '/live'\n")
    (tmp_path / "standby.signal").touch()
    server_settings.write(tmp_path, {"port": "1"})
    server_settings.write(tmp_path, {"port": "5433", "cluster_name": "it's \\ here"})
    text = (tmp_path / "postgresql.auto.conf").read_text()
    assert (
        text == f"work_mem = '8MB'\n{server_settings.MARK}\nport = '5433'\ncluster_name = 'it''s \\\\ here'\n"
    )
    assert (tmp_path / "recovery.signal").exists()
    assert not (tmp_path / "standby.signal").exists()
    assert (
        tmp_path / "postgresql.conf"
    ).read_text() == "port = 5432\n# pgbackstop: Data_Directory = '/live'\n"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file that a link in the data directory leads to."""
    path = tmp_path / "victim"
    path.write_text("precious")
    return path


def test_a_link_in_the_place_of_what_is_written_is_replaced(tmp_path: Path, victim: Path) -> None:
    """Where root recovers, the server's account owns the folder by the time settings are written again."""
    data = tmp_path / "data"
    data.mkdir()
    for name in (server_settings.HBA, server_settings.SCRIPT):
        (data / name).symlink_to(victim)
    for path in (server_settings.write_hba(data), server_settings.install_script(data)):
        assert not path.is_symlink()
        assert path.stat().st_mode & 0o777 == 0o600
    assert victim.read_text() == "precious"


@pytest.mark.parametrize(
    "name", ["postgresql.auto.conf", "postgresql.conf", "pg_ident.conf", "recovery.signal"]
)
def test_nothing_is_read_from_or_made_at_the_end_of_a_link(tmp_path: Path, victim: Path, name: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    absent = tmp_path / "absent"
    for there in (victim, absent):
        (data / name).unlink(missing_ok=True)
        (data / name).symlink_to(there)
        with pytest.raises(OSError, match="symbolic links"):
            server_settings.write(data, {"port": "5433"})
    assert victim.read_text() == "precious"
    assert not absent.exists()
    assert not any("precious" in path.read_text() for path in data.iterdir() if not path.is_symlink())
