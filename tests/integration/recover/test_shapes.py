"""Servers that are not plain: tablespaces, incremental chains, timelines, other archives, odd folders."""

import contextlib
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.recover import primary as primaries
from tests.integration.recover.conftest import MakePrimary
from tests.integration.recover.primary import Primary
from tests.support import accounts, backups, places, ports


def with_tablespace(primary: Primary) -> int:
    """A tablespace with a table in it; returns its OID."""
    location = primary.server.folder / "space"
    location.mkdir(mode=0o700)
    accounts.unprivileged().own(location)
    primary.server.execute(f"create tablespace far location '{location}'")
    primary.server.execute("create table apart tablespace far as select generate_series(1, 1000) as n")
    ((oid,),) = primary.server.execute("select oid from pg_tablespace where spcname = 'far'")
    return int(str(oid))


def test_a_chain_with_a_tablespace(make_primary: MakePrimary) -> None:
    primary = make_primary(server={"summarize_wal": "on"}, plan={"incremental": {"enabled": True}})
    oid = with_tablespace(primary)
    primary.receive()
    primary.backup()
    primary.beat(1, 5)
    primary.server.execute("update apart set n = -n where n <= 10")
    assert primary.backup().method == "incremental"
    primary.beat(6, 10)
    assert primary.backup().method == "incremental"
    primary.beat(11, 15)
    primary.caught_up()

    bare = primary.target()
    refused = primary.recover(bare)
    assert refused.returncode == 3
    assert f"--tablespace {oid}=" in backups.sentence(refused)
    assert "far (was in" in refused.stderr
    assert not bare.exists()

    nested = primary.recover(bare, "--tablespace", f"{oid}={bare}/inside")
    assert nested.returncode == 3
    assert "are not apart" in backups.sentence(nested)

    place = primary.target()
    space = primary.folder / "far away = here"
    with primary.recovered("--tablespace", f"{oid}={space}", into=place) as clone:
        assert clone.beats() == list(range(1, 16))
        assert clone.execute("select count(*), sum(n) from apart") == [(1000, 500500 - 110)]
        assert (place / "pg_tblspc" / str(oid)).resolve() == space.resolve()
        assert clone.execute(f"select pg_tablespace_location({oid})") == [(str(space),)]
    assert not list(place.parent.glob("*pgbackstop-*"))
    assert not list(space.glob("pgbackstop-*"))


@pytest.mark.parametrize("major", [15, 17, 18])
def test_whoever_of_the_group_might_read_the_data_directory_still_may(
    make_primary: MakePrimary, major: int
) -> None:
    """As after initdb --allow-group-access; a chain of incrementals, where the version has them."""
    plan = {"incremental": {"enabled": True}} if major >= 17 else {}
    primary = make_primary(major, plan=plan, server={"summarize_wal": "on"} if plan else {})
    oid = with_tablespace(primary)
    primary.server.stop()
    for folder in (primary.server.data, primary.server.folder / "space"):
        subprocess.run(["chmod", "-R", "g+rX", str(folder)], check=True)
    primary.server.start()
    assert primary.server.execute("show data_directory_mode") == [("0750",)]
    primary.receive()
    primary.backup()
    primary.beat(1, 5)
    assert primary.backup().method == ("incremental" if plan else "full")
    primary.caught_up()
    space = primary.folder / "space"
    with primary.recovered("--tablespace", f"{oid}={space}") as clone:
        assert clone.setting("data_directory_mode") == "0750"
        closed = {path for folder in (clone.data, space) for path in closed_to_the_group(folder)}
        assert {path for path in closed if path.suffix != ".pid"} == set()
        assert clone.data.stat().st_mode & 0o007 == 0


def closed_to_the_group(folder: Path) -> Iterator[Path]:
    """What PostgreSQL or we made there; a file that the server has removed meanwhile is none."""
    for path in (folder, *folder.rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            mode = path.lstat().st_mode
            wanted = 0o050 if stat.S_ISDIR(mode) else 0o040
            if not (stat.S_ISLNK(mode) or stat.S_ISSOCK(mode) or mode & 0o077 == wanted):
                yield path


@pytest.mark.parametrize(("major", "size"), [(15, 64), (18, 1)])
def test_segments_of_another_size(make_primary: MakePrimary, major: int, size: int) -> None:
    """The usual one is 16 MB; initdb takes 1 to 1024."""
    primary = make_primary(major, initdb=[f"--wal-segsize={size}"], server={"min_wal_size": f"{2 * size}MB"})
    primary.receive()
    primary.backup()
    primary.beat(1, 5)
    primary.switch()
    primary.beat(6, 10)
    primary.caught_up()
    read = primary.site.run("verify")
    assert read.returncode == 0, read.stderr
    with primary.recovered() as clone:
        assert clone.setting("wal_segment_size") == f"{size}MB"
        assert clone.beats() == list(range(1, 11))


def test_a_tablespace_with_an_odd_name(make_primary: MakePrimary) -> None:
    primary = make_primary()
    location = primary.server.folder / "t b%s\\p ü"
    location.mkdir(mode=0o700)
    accounts.unprivileged().own(location)
    with primary.server.connect() as connection:
        connection.execute(f"""create tablespace "odd ""name; ü" location '{location}'""".encode())
        connection.execute(b"""create table apart tablespace "odd ""name; \xc3\xbc" as select 7 as n""")
    primary.backup()
    refused = primary.recover(primary.target())
    assert refused.returncode == 3
    assert f'odd "name; ü (was in {location})' in backups.sentence(refused)
    ((oid,),) = primary.server.execute("select oid from pg_tablespace where spcname like 'odd%'")
    with primary.recovered("--immediate", "--tablespace", f"{oid}={primary.folder}/o 'd\\d") as clone:
        assert clone.execute("select n from apart") == [(7,)]


def test_a_link_in_the_data_directory(make_primary: MakePrimary) -> None:
    primary = make_primary()
    configuration = primary.server.data / "postgresql.conf"
    elsewhere = primary.server.folder / "etc.conf"
    configuration.rename(elsewhere)
    configuration.symlink_to(elsewhere)
    primary.receive()
    primary.backup()
    primary.beat(1, 3)
    primary.caught_up()
    with primary.recovered() as clone:
        assert clone.beats() == [1, 2, 3]
        assert not (clone.data / "postgresql.conf").is_symlink()


def test_the_timeline_after_a_promotion_and_the_one_that_was_left(make_primary: MakePrimary) -> None:
    """The live server goes back to an earlier state, and on from there: as a person does after a mistake."""
    primary = make_primary()
    primary.receive()
    primary.backup()
    primary.beat(1, 10)
    primary.server.execute("select pg_create_restore_point('here')")
    primary.beat(11, 20)
    primary.switch()
    primary.beat(21, 22)
    primary.caught_up()
    primary.stop_receiver()
    primary.server.stop()

    place = primary.target()
    with primary.recovered("--name", "here", into=place) as clone:
        assert clone.beats() == list(range(1, 11))
    become_live(primary, place)
    primary.receive()
    primary.beat(101, 110)
    primary.switch()
    primary.beat(111, 112)
    primary.caught_up()

    follows = [*range(1, 11), *range(101, 113)]
    with primary.recovered() as clone:
        assert "timeline 2" in clone.said
        assert clone.beats() == follows
    with primary.recovered("--timeline", "1") as clone:
        assert clone.beats()[:20] == list(range(1, 21))
        assert 101 not in clone.beats()


def become_live(primary: Primary, data: Path) -> None:
    """The recovered directory takes the live one's place, as RECOVER.md says."""
    before = primary.server.data
    before.rename(before.with_name("before"))
    data.rename(before)
    configuration = before / "postgresql.auto.conf"
    configuration.write_text(configuration.read_text().partition("# pgbackstop: recovery")[0])
    primary.server.start()


def test_an_archive_that_was_never_begun(make_primary: MakePrimary) -> None:
    primary = make_primary(wal={"enabled": False})
    primary.beat(1, 3)
    primary.backup()
    primary.beat(4, 5)
    for words in ((), ("--immediate",)):
        with primary.recovered(*words) as clone:
            assert clone.beats() == [1, 2, 3]


def test_segments_that_nobody_has_taken_in_yet(make_primary: MakePrimary) -> None:
    """Who takes segments in died with the server: what archive_command wrote last waits in incoming/."""
    primary = make_primary()
    primary.receive()
    primary.backup()
    primary.beat(1, 3)
    primary.caught_up()
    primary.stop_receiver()
    primary.beat(4, 6)
    ((name,),) = primary.server.execute("select pg_walfile_name(pg_current_wal_lsn())")
    primary.switch()
    waiting = primary.archive / "incoming" / f"{name}.lz4"
    waiting.parent.mkdir(exist_ok=True)
    subprocess.run(["lz4", "-q", primary.server.data / "pg_wal" / str(name), waiting], check=True)
    with primary.recovered() as clone:
        assert clone.beats() == [1, 2, 3, 4, 5, 6]


def lines_of(data: Path) -> list[str]:
    """The commands of RECOVER.md, in order: what stands indented by itself."""
    text = (data / "RECOVER.md").read_text()
    return [line.strip() for line in text.splitlines() if line.startswith("       ")]


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Where temporary folders are made, and nothing else."""
    folder = places.make()
    folder.chmod(0o1777)
    yield folder
    places.remove(folder)


def test_a_place_whose_name_is_too_odd_for_a_socket(history17: Primary, temporary: Path) -> None:
    place = history17.target().with_name("a place, with more")
    env = {"TMPDIR": str(temporary)}
    failed = history17.recover(place, "--start", "--port", str(ports.free()), "--name", "never made", env=env)
    assert failed.returncode == 1, failed.stderr
    assert list(temporary.iterdir()) == []

    place = history17.target().with_name("another place")
    port = ("--port", str(ports.free()))
    assert history17.recover(place, *port, "--immediate", env=env).returncode == 0
    (sockets,) = temporary.iterdir()
    sockets.rmdir()  # as a restart of the machine does
    start, wait, _forget, connect = lines_of(place)
    with primaries.ended(place):
        by_hand(start)
        by_hand(wait)
        assert sockets.stat().st_mode & 0o777 == 0o700
        rows = by_hand(f"{connect} -AtXc 'select count(*) from beats'")
        assert rows.stdout == "0\n", rows.stderr


@pytest.mark.parametrize("quiet", [False, True])
def test_by_hand_without_our_packages(history17: Primary, quiet: bool) -> None:
    place = history17.target()
    commits = history17.commits()
    wanted = ("--time", commits[40 if quiet else 33].isoformat())
    port = ports.free()
    done = history17.recover(place, "--port", str(port), *wanted)
    assert done.returncode == 0, done.stderr
    start, wait, forget, connect = lines_of(place)
    with primaries.ended(place):
        by_hand(start)
        by_hand(wait)
        assert (place / "postmaster.pid").exists() != quiet
        if quiet:
            assert by_hand(forget).returncode == 0
            by_hand(start)
            by_hand(wait)
        rows = by_hand(f"{connect} -AtXc 'select count(*), max(n) from beats'")
        assert rows.stdout == ("40|40\n" if quiet else "33|33\n"), rows.stderr
        writes = by_hand(f"{connect} -AtXc 'insert into beats (n) values (99) returning n'")
        assert writes.stdout.splitlines()[0] == "99"


def by_hand(line: str) -> subprocess.CompletedProcess[str]:
    """A line in a shell with nothing but standard tools, as the owner of the directory."""
    who = accounts.unprivileged()
    return subprocess.run(
        ["/bin/sh", "-c", line],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=backups.PATIENCE,
        env={"PATH": "/usr/bin:/bin"},
        cwd="/",
        **who.credentials,
    )
