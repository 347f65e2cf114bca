"""A physical backup whose owner wants a drill to run his code, or to touch another server's folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_runner.system.jail_choice import Wish
from tests.integration.drill.conftest import drills, remains
from tests.integration.recover import primary as primaries
from tests.integration.recover.primary import Primary
from tests.support import backups, confined
from tests.support.fixtures import MakeServer
from tests.support.servers import Server

pytestmark = pytest.mark.root
# Names that our questions use, in a schema that the database's owner puts before the system's.
SHADOWS = """
    create schema evil;
    create function evil.act() returns oid language plpgsql as
        $$ begin raise exception 'the owner''s code was run'; end $$;
    create view evil.pg_class as select evil.act() as oid, 'i'::"char" as relkind;
    create view evil.pg_index as select evil.act() as indexrelid, true as indisvalid, true as indisready;
    create view evil.pg_roles as select evil.act()::text as rolname, true as rolsuper, true as rolcanlogin;
    create view evil.pg_database as select evil.act()::text as datname, true as datallowconn;
"""


@pytest.fixture
def server(make_server: MakeServer) -> Server:
    return make_server(settings=primaries.SETTINGS)


@pytest.fixture
def primary(server: Server) -> Iterator[Primary]:
    made = Primary(server)
    made.site.server_settings = {"wal": {"enabled": False}}
    made.site.write()
    yield made
    made.close()


def proven(made: Primary, mechanism: Wish, runner: str = "root") -> None:
    """A drill in that jail, by root or by a service account, succeeds, whatever the owner has prepared."""
    who, folder = confined.account(runner), made.folder / f"drills-{runner}"
    folder.mkdir(mode=0o755, exist_ok=True)
    made.site.more = {"drills": {"jail": confined.possible(mechanism)}, "drill_folder": str(folder)}
    made.site.write()
    if who.uid:
        confined.give(folder, who)
        confined.give(made.site.folder, who)
    done = confined.run_as(who, made.site, "drill", "base", "--physical")
    assert done.returncode == 0, done.stderr
    proof, *_ = drills(made.site)
    assert (proof.status, proof.jail) == (Status.SUCCEEDED, mechanism)
    assert not remains(made.site)


def test_names_are_looked_up_in_the_system_schema_alone(primary: Primary) -> None:
    for database in ("postgres", "template1"):
        primary.server.execute(SHADOWS, database)
        primary.server.execute(f"alter database {database} set search_path = evil, pg_catalog")
    primary.site.make("base")
    proven(primary, "landlock")


def test_libraries_of_the_backup_are_not_loaded(primary: Primary) -> None:
    """One that lies in the data directory; the server as it is backed up would load it at its next start."""
    names = ("shared_preload_libraries", "session_preload_libraries", "local_preload_libraries")
    for name in (*names, "jit_provider"):
        primary.server.execute(f"alter system set {name} = 'base/evil.so'")
    # A session in which one of these counted would end with "could not access file".
    levels = ("database postgres", "database template1", "role all", "role all in database postgres")
    primary.server.execute(
        "; ".join(f"alter {level} set {name} = 'base/evil.so'" for level in levels for name in names[1:])
    )
    primary.site.make("base")
    proven(primary, "bubblewrap")
    proven(primary, "landlock", "nobody")


def test_an_included_file_leads_to_no_other_folder(primary: Primary) -> None:
    """Neither to another server's data, nor to its port, nor to commands."""
    (value,) = primary.server.execute("show data_directory")[0]
    data = Path(str(value))
    mark = primary.folder / "was-run"
    lines = [
        f"data_directory = '{primary.folder}'",
        f"hba_file = '{primary.folder}/hba'",
        f"ident_file = '{primary.folder}/ident'",
        f"external_pid_file = '{mark}'",
        f"archive_cleanup_command = 'touch {mark}'",
        f"recovery_end_command = 'touch {mark}'",
        "listen_addresses = '*'",
        f"port = {primary.server.port}",
    ]
    (data / "more.conf").write_text("\n".join(lines) + "\n")
    (data / "more.conf").chmod(0o644)
    conf = data / "postgresql.conf"
    before = conf.read_text()
    conf.write_text(f"{before}\ninclude 'more.conf'\n")
    primary.site.make("base")
    conf.write_text(before)
    backups.until(lambda: primary.server.execute("select 1"), "the server")
    proven(primary, "landlock")
    assert not mark.exists()
