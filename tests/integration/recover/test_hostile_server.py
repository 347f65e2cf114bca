"""A recovered server acts on nobody: what is in the backup leads nowhere else and loads nothing."""

import shutil
from pathlib import Path

import psutil
import pytest

from pgbackstop_catalog import errors
from tests.integration.recover import primary as primaries
from tests.integration.recover.conftest import MakePrimary
from tests.integration.recover.primary import Primary
from tests.integration.recover.test_shapes import by_hand, lines_of
from tests.support import accounts, backups, binaries, ports
from tests.support.fixtures import MakeServer

PRELOADED = {"shared_preload_libraries": "pg_prewarm"}  # one that has a worker of its own


def workers(data: Path) -> int:
    """Background workers of that library under the server of a data directory."""
    pid = int((data / "postmaster.pid").read_text().split()[0])
    titles = [
        each.info["cmdline"] for each in psutil.process_iter(["cmdline", "ppid"]) if each.info["ppid"] == pid
    ]
    return sum("autoprewarm" in " ".join(title or []) for title in titles)


def configured(primary: Primary, more: str) -> None:
    """A backup whose configuration has these lines; the live server never reads them."""
    files = [primary.server.data / name for name in ("postgresql.conf", "postgresql.auto.conf")]
    before = [file.read_text() for file in files]
    try:
        for file, text in zip(files, before, strict=True):
            file.write_text(f"{text}\n{more}\n")
        primary.backup()
    finally:
        for file, text in zip(files, before, strict=True):
            file.write_text(text)


def test_started_by_hand_it_runs_in_no_other_folder(make_primary: MakePrimary) -> None:
    primary = make_primary()
    primary.receive()
    for name in ("more.conf", "more/more.conf"):
        path = primary.server.data / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"data_directory = '{primary.folder}/other'\nident_file = '{primary.folder}/other'\n")
        for each in (path.parent, path):
            accounts.unprivileged().own(each)
    configured(primary, "include 'more.conf'\n\tINCLUDE_IF_EXISTS = 'more.conf'\ninclude_dir 'more'")
    place = primary.target()
    assert primary.recover(place, "--port", str(ports.free()), "--immediate").returncode == 0
    start, wait, _forget, connect = lines_of(place)
    with primaries.ended(place):
        by_hand(start)
        by_hand(wait)
        asked = f"{connect} -AtXc \"select current_setting('data_directory'), current_setting('ident_file')\""
        assert by_hand(asked).stdout == f"{place}|{place}/pg_ident.conf\n"


REFUSED = """
    include '/etc/postgresql/17/not-here.conf'
    timezone = 'Mars/Phobos'
    LC_Numeric = 'xx_YY.UTF-8'
    max_stack_depth = '1GB'
    of_a_later_release = on
    wal_level = minimal
"""
# Memory that no host has: a drill does without, a recovery could only guess how much less will do.
GREEDY = "min_dynamic_shared_memory = '64TB'\nshared_buffers = '8TB'"
NAMES = "TimeZone, lc_numeric, max_stack_depth, of_a_later_release, wal_level"


def test_what_the_configuration_names_and_the_host_lacks_keeps_nobody(make_primary: MakePrimary) -> None:
    primary = make_primary()
    primary.receive()
    configured(primary, REFUSED)
    with primary.recovered("--immediate") as clone:
        assert clone.beats() == []
        assert f"left at their defaults, as this host refuses them: {NAMES}" in clone.said
        assert clone.setting("wal_level") == "replica"
        kept = (clone.data / "postgresql.conf").read_text()
        assert "\n# pgbackstop:     timezone = 'Mars/Phobos'\n" in kept
    assert NAMES in next(primary.site.catalog.restores("main")).warnings[0]
    configured(primary, f"{REFUSED}\n{GREEDY}")
    done = primary.recover(primary.target(), "--start", "--port", str(ports.free()), "--immediate")
    assert "has not the memory that the live server's settings ask for" in backups.sentence(done)
    drilled = primary.site.run("drill", "base")
    assert drilled.returncode == 0, drilled.stderr
    assert f"as this host refuses the source's: {NAMES}" in drilled.stdout


@pytest.fixture(params=binaries.MAJORS, ids=[f"pg{m}" for m in binaries.MAJORS])
def loud(request: pytest.FixtureRequest, make_primary: MakePrimary) -> Primary:
    """Each session loads a library that lies in the backup, and tells each statement to the log."""
    primary = make_primary(request.param)
    library = primary.server.data / "auto_explain.so"
    shutil.copy(primary.server.programs.tool("postgres").parent.parent / "lib" / library.name, library)
    accounts.unprivileged().own(library)
    settings = {
        "auto_explain.log_min_duration": "0",
        "auto_explain.log_level": "warning",
        "session_preload_libraries": "/proc/self/cwd/auto_explain",
    }
    levels = ("database postgres", "role all", "role all in database postgres")
    primary.server.execute(
        "; ".join(f"alter {level} set {name} = '{settings[name]}'" for name in settings for level in levels)
    )
    primary.receive()
    primary.backup()
    return primary


def test_our_sessions_load_no_library_of_the_backup(loud: Primary) -> None:
    with loud.recovered("--immediate", "--check") as clone:
        log = clone.data / "pgbackstop-recovery.log"
        assert "auto_explain" not in log.read_text()
        assert "Query Text" not in log.read_text()
        clone.execute("select 1")  # one of somebody else, so that the above can be seen to mean something
        backups.until(lambda: "Query Text" in log.read_text(), "the library of the session")


def test_workers_of_extensions_are_off_unless_told(make_primary: MakePrimary) -> None:
    primary = make_primary(server=PRELOADED)
    backups.until(lambda: workers(primary.server.data) == 1, "the worker of the live server")
    primary.receive()
    assert primary.backup().server_facts.preload_libraries == ("pg_prewarm",)  # type: ignore[union-attr]
    with primary.recovered("--immediate") as clone:
        assert "loads  nothing before it is asked (pg_prewarm of the live server)" in clone.said
        assert clone.setting("shared_preload_libraries") == ""
        assert workers(clone.data) == 0
    with primary.recovered("--immediate", "--as-live") as clone:
        assert "loads  what the live server does (pg_prewarm)" in clone.said
        backups.until(lambda: workers(clone.data) == 1, "the worker")


def test_what_it_preloads_and_the_host_lacks_is_found_before(make_primary: MakePrimary) -> None:
    primary = make_primary()
    primary.receive()
    made = primary.backup()
    assert made.server_facts is not None
    facts = made.server_facts.evolve(preload_libraries=("pg_cron", "base/evil.so", "pg_prewarm"))
    primary.site.catalog.put(made.evolve(server_facts=facts))
    place = primary.target()
    done = primary.recover(place, "--as-live")
    assert done.returncode == errors.ValidationError.exit_code
    assert "preloads what this host does not have: pg_cron." in backups.sentence(done)
    assert not place.exists()


LACKING = {
    "a file of another host": (
        "include '/etc/postgresql/17/not-here.conf'",
        "includes /etc/postgresql/17/not-here.conf",
    ),
    "one that a file in the backup names": ("INCLUDE = kept.conf", "kept.conf includes {place}/o'ther.conf"),
    "a time zone": ("timezone = 'Mars/Phobos'", "refuses settings of the live server: TimeZone."),
    "a folder": ("include_dir '/etc/postgresql/not-here.d'", "includes /etc/postgresql/not-here.d"),
    "another data directory": ("include_dir kept", "names another data directory: /other"),
    "a library": (
        "include_if_exists 'none.conf'\nshared_preload_libraries = 'pg_cron, pg_prewarm'",
        "pg_cron.",
    ),
}


def test_what_its_configuration_names_and_the_host_lacks_is_found_before(make_primary: MakePrimary) -> None:
    primary = make_primary()
    primary.receive()
    for name, text in {
        "kept.conf": "include 'o''ther.conf'\n",
        "kept/a.conf": "data_directory '/other'\n",
    }.items():
        path = primary.server.data / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        for each in (path.parent, path):
            accounts.unprivileged().own(each)
    for what, (lines, named) in LACKING.items():
        configured(primary, lines)
        place = primary.target()
        done = primary.recover(place, "--as-live", "--immediate")
        assert done.returncode == errors.ValidationError.exit_code, (what, done.stderr)
        assert named.format(place=place) in backups.sentence(done), what
        assert not place.exists(), what


@pytest.mark.parametrize("major", binaries.MAJORS)
def test_where_workers_have_no_place_a_library_has_none(major: int, make_server: MakeServer) -> None:
    """As in a drill, whose server has none."""
    server = make_server(major, settings={**PRELOADED, "max_worker_processes": "0"})
    assert server.execute("show shared_preload_libraries") == [("pg_prewarm",)]
    backups.until(lambda: "too many background workers" in server.log_tail(200), "the refusal of the worker")
    assert workers(server.data) == 0
