"""What is not there is found before anything is written, and on record with its reason (fault 2)."""

from pathlib import Path

import pytest

from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from tests.integration.backup.conftest import MakeRole
from tests.support import binaries
from tests.support.backups import Site, plan
from tests.support.databases import Database
from tests.support.fixtures import MakeServer
from tests.support.servers import Server

READER = "GRANT pg_read_all_data TO {role}"


def refused(site: Site, plan_name: str, reason: Reason, *words: str) -> Backup:
    """Runs the plan, which must be refused for that reason, in these words, leaving no byte."""
    (made,) = site.make(plan_name)
    assert (made.status, made.reason) == (Status.FAILED, reason), made.message
    for word in words:
        assert word in made.message
    assert "bug" not in made.message
    assert [step.name for step in made.steps] == ["validate"]
    assert site.newest(plan_name).status is Status.FAILED
    assert not list(site.store.glob("backups/**/*.*"))
    assert site.leftovers() == []
    return made


def test_no_right_to_a_table(pg17: Server, database: Database, tmp_path: Path, make_role: MakeRole) -> None:
    site = Site(
        folder=tmp_path,
        server=pg17,
        plans={"p": plan(databases=[database.name])},
        server_settings=make_role(pg17),
    )
    refused(site, "p", Reason.RIGHTS, "no SELECT on public.customers", "create-the-role")


def test_row_security(pg17: Server, database: Database, tmp_path: Path, make_role: MakeRole) -> None:
    database.execute("ALTER TABLE orders ENABLE ROW LEVEL SECURITY")
    plans = {"p": plan(databases=[database.name])}
    site = Site(folder=tmp_path, server=pg17, plans=plans, server_settings=make_role(pg17, "", READER))
    refused(site, "p", Reason.RIGHTS, "row security hides rows", "BYPASSRLS", "public.orders")
    site.server_settings = make_role(pg17, "BYPASSRLS", READER)
    site.write()
    (made,) = site.make("p")
    assert made.status is Status.SUCCEEDED, made.message
    assert made.row_counts == {f"public.{name}": count for name, count in database.row_counts().items()}


def test_large_objects(pg17: Server, database: Database, tmp_path: Path, make_role: MakeRole) -> None:
    (oid,) = database.execute("SELECT lo_from_bytea(0, 'picture')")[0]
    plans = {"p": plan(databases=[database.name])}
    settings = make_role(pg17, "", READER)
    site = Site(folder=tmp_path, server=pg17, plans=plans, server_settings=settings)
    refused(site, "p", Reason.RIGHTS, f"no SELECT on large object {oid}")
    database.execute(f"GRANT SELECT ON LARGE OBJECT {oid} TO {settings['user']}")
    (made,) = site.make("p")
    assert made.status is Status.SUCCEEDED, made.message


def test_least_rights_are_enough(
    server: Server, database: Database, tmp_path: Path, make_role: MakeRole
) -> None:
    """What create-role.sql grants makes both kinds of backups; without pg_monitor too."""
    settings = make_role(server, "REPLICATION BYPASSRLS", READER)
    plans = {"l": plan(databases=[database.name]), "p": plan("physical", verify=False)}
    site = Site(folder=tmp_path, server=server, plans=plans, server_settings=settings)
    for name in plans:
        (made,) = site.make(name)
        assert made.status is Status.SUCCEEDED, made.message
    assert b"CREATE ROLE" in (site.path(site.newest("l")) / "globals.sql").read_bytes()


def test_no_database_of_that_name(pg17: Server, tmp_path: Path) -> None:
    site = Site(folder=tmp_path, server=pg17, plans={"p": plan(databases=["nowhere"])})
    refused(site, "p", Reason.CONFIGURATION, "There is no database 'nowhere'", "Correct databases")


def test_a_database_that_the_plan_does_not_mean(pg17: Server, database: Database, tmp_path: Path) -> None:
    site = Site(folder=tmp_path, server=pg17, plans={"p": plan(databases=[database.name])})
    made = {each.database: each for each in site.make("p", "typo", database.name)}
    assert made[database.name].status is Status.SUCCEEDED
    assert made["typo"].reason is Reason.CONFIGURATION
    assert made["typo"].message == f"The plan does not mean a database 'typo'. It means: {database.name}."


def test_a_database_twice(pg17: Server, database: Database, tmp_path: Path) -> None:
    twice = [database.name, database.name]
    site = Site(folder=tmp_path, server=pg17, plans={"p": plan(databases=twice)})
    assert [each.status for each in site.make("p", *twice)] == [Status.SUCCEEDED]
    assert [each.status for each in site.make("p")] == [Status.SUCCEEDED]


def test_no_right_to_connect(pg17: Server, database: Database, tmp_path: Path, make_role: MakeRole) -> None:
    pg17.execute(f"REVOKE CONNECT ON DATABASE {database.name} FROM PUBLIC")
    plans = {"p": plan(databases=[database.name]), "w": plan("physical", verify=False)}
    settings = make_role(pg17, "REPLICATION", READER)
    site = Site(folder=tmp_path, server=pg17, plans=plans, server_settings=settings)
    refused(site, "p", Reason.RIGHTS, "may not connect to database", database.name)
    # A copy of the whole server needs no right to any database.
    (made,) = site.make("w")
    assert made.status is Status.SUCCEEDED, made.message


def test_no_replication(pg17: Server, tmp_path: Path, make_role: MakeRole) -> None:
    site = Site(folder=tmp_path, server=pg17, plans={"p": plan("physical")}, server_settings=make_role(pg17))
    refused(site, "p", Reason.RIGHTS, "lacks the REPLICATION attribute", "alter role")


@pytest.mark.parametrize(
    ("settings", "said", "remedy"),
    [
        ({"wal_level": "minimal", "max_wal_senders": "0"}, "wal_level of the server is minimal", "replica"),
        (
            {"max_wal_senders": "1"},
            "All but 1 of 1 WAL senders are taken; 2 are needed",
            "Raise max_wal_senders",
        ),
        (
            {"max_wal_senders": "0"},
            "All but 0 of 0 WAL senders are taken; 2 are needed",
            "Raise max_wal_senders",
        ),
    ],
    ids=["minimal", "one sender", "no sender"],
)
def test_what_streaming_lacks(
    settings: dict[str, str], said: str, remedy: str, make_server: MakeServer, tmp_path: Path
) -> None:
    """Said of the server itself, and not as a line that pg_hba.conf lacks."""
    server = make_server(17, settings=settings)
    site = Site(folder=tmp_path, server=server, plans={"p": plan("physical")})
    refused(site, "p", Reason.CONFIGURATION, said, remedy)
    checked = site.run("check", "p")
    assert said in " ".join(checked.stdout.split())


@pytest.mark.parametrize("of", ["role", "database"])
@pytest.mark.parametrize(
    ("limit", "said"), [(0, "as many connections"), (1, "needs 2 connections"), (3, "needs 4 connections")]
)
def test_a_connection_limit(  # noqa: PLR0917 - whose, and how many
    of: str, limit: int, said: str, pg17: Server, database: Database, tmp_path: Path, make_role: MakeRole
) -> None:
    """Of the role or of the database, which is not the one of the server."""
    settings = make_role(pg17, "", READER)
    user = settings["user"]
    form = "directory" if limit > 1 else "custom"
    site = Site(
        folder=tmp_path,
        server=pg17,
        plans={"p": plan(databases=[database.name], format=form, jobs=2)},
        server_settings={**settings, "maintenance_database": database.name},
    )
    database.execute(f"alter {of} {user if of == 'role' else database.name} connection limit {limit}")
    done = site.run("check", "p")
    assert done.returncode != 0
    words = " ".join((done.stdout + done.stderr).split())
    assert said in words
    assert f"alter {of}" in words
    assert "max_connections" not in words


# By name: other tests have databases on the same server.
@pytest.mark.parametrize(
    "wanted", [plan(databases=["postgres"]), plan("physical")], ids=["logical", "physical"]
)
def test_client_older_than_the_server(pg17: Server, tmp_path: Path, wanted: dict[str, object]) -> None:
    old = binaries.find(16)
    site = Site(
        folder=tmp_path,
        server=pg17,
        plans={"p": wanted},
        server_settings={"bin_dir": str(old.folder)},
    )
    refused(site, "p", Reason.CLIENT, "are too old", old.version, "the server is 17", "postgresql-client-17")


def test_client_not_whole(pg17: Server, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "pg_dump").symlink_to(pg17.programs.tool("pg_dump"))
    settings = {"bin_dir": str(folder)}
    site = Site(
        folder=tmp_path, server=pg17, plans={"p": plan(databases=["postgres"])}, server_settings=settings
    )
    refused(site, "p", Reason.CLIENT, "lack pg_dumpall, pg_restore")


def test_everything_wrong_is_said_at_once(pg17: Server, tmp_path: Path, make_role: MakeRole) -> None:
    site = Site(
        folder=tmp_path,
        server=pg17,
        plans={"p": plan("physical")},
        server_settings={**make_role(pg17), "bin_dir": str(binaries.find(15).folder)},
        storage_settings={"reserve": 10**18},
    )
    refused(site, "p", Reason.CLIENT, "are too old", "REPLICATION", "too full")
