"""Many databases in one plan: one that fails does not stop the others, and no name is more than a name."""

from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_runner.backup import databases as meant_databases
from tests.support import databases
from tests.support.backups import Site, plan, restore_by_hand
from tests.support.databases import Database
from tests.support.fixtures import MakeServer
from tests.support.servers import Server

BROKEN = ("new\nline; false", "carriage\rreturn")
# Quotes, blanks, other scripts, options, paths, and what libpq could take for a connection string.
HOSTILE = (
    'quo"te',
    "apo'strophe $(false) `false`",
    "back\\slash",
    "Jürgen 🐘",
    "-x",
    "--help",
    "..",
    "a/b",
    "../../escaped",
    "a=b",
    "host=127.0.0.1 port=1",
    "postgresql://127.0.0.1:1/elsewhere",
    "%2E%2E",
    "shop.partial",
    *BROKEN,
)


def create(server: Server, name: str) -> None:
    with server.connect() as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    with psycopg.connect(server.conninfo(), dbname=name, autocommit=True) as connection:
        table = sql.Identifier(name)
        connection.execute(sql.SQL("CREATE TABLE {} AS SELECT generate_series(1, 7) AS n").format(table))


@pytest.fixture
def hostile(make_server: MakeServer) -> Server:
    server = make_server()
    for name in HOSTILE:
        create(server, name)
    return server


def test_a_database_named_as_the_file_of_the_roles(make_server: MakeServer, tmp_path: Path) -> None:
    server, fresh = make_server(), make_server()
    create(server, "globals")
    settings = plan(format="plain", compression={"method": "none"}, databases=["globals"])
    site = Site(folder=tmp_path, server=server, plans={"p": settings})
    (made,) = site.make("p")
    assert made.status is Status.SUCCEEDED, made.message
    restore_by_hand(site.path(made), fresh, server)
    with psycopg.connect(fresh.conninfo(), dbname="globals", password=server.password) as connection:
        assert connection.execute("SELECT count(*) FROM globals").fetchone() == (7,)


@pytest.mark.parametrize("settings", ["custom", "plain", "directory"])
def test_hostile_names(hostile: Server, make_server: MakeServer, tmp_path: Path, settings: str) -> None:
    site = Site(
        folder=tmp_path,
        server=hostile,
        plans={"p": plan(format=settings, exclude_databases=["postgres"])},
    )
    made = {each.database: each for each in site.make("p")}
    assert set(made) == set(HOSTILE)
    for name in BROKEN:  # a dump of it could be made in some formats, and restored from none
        refused = made.pop(name)
        assert refused.status is Status.FAILED
        assert refused.reason is Reason.CONFIGURATION
        assert "holds a line break; pg_restore and psql refuse it" in refused.message
        assert refused.location is None or not site.path(refused).exists()
    assert {name: each.message for name, each in made.items() if each.status is not Status.SUCCEEDED} == {}
    assert site.leftovers() == []
    assert {path.name for path in tmp_path.iterdir()} == {"store", "pgbackstop.yaml"}
    fresh = make_server()
    for name, each in made.items():
        assert list((each.row_counts or {}).values()) == [7]
        folder = site.path(each)
        assert folder.parent.parent == site.store / "backups/logical/main"
        if settings != "custom" and name not in {"-x", "a/b", "a=b", "back\\slash"}:
            continue  # the commands differ by format only
        restore_by_hand(folder, fresh, hostile)
        with psycopg.connect(fresh.conninfo(), dbname=name, password=hostile.password) as connection:
            counted = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name)))
            assert counted.fetchone() == (7,)


def test_one_failing_does_not_stop_the_others(pg17: Server, tmp_path: Path) -> None:
    first, locked, last = (databases.clone(pg17) for _ in range(3))
    names = [first.name, locked.name, "nowhere", last.name]
    site = Site(folder=tmp_path, server=pg17, plans={"p": plan(databases=names, lock_timeout="200ms")})
    with locked.connect() as holder:
        holder.execute("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        done = site.run("backup", "p")
    assert done.returncode == 1
    made = {each.database: each for each in site.backups("p")}
    for each in (first, last):
        assert made[each.name].status is Status.SUCCEEDED
        assert f"{each.name}: " in done.stdout
        each.drop()
    locked.drop()
    assert made[locked.name].reason is Reason.TOOL
    assert "raise lock_timeout of the plan" in made[locked.name].message
    assert made["nowhere"].reason is Reason.CONFIGURATION
    for name in (locked.name, "nowhere"):
        assert f"{name}: failed: " in done.stderr
    assert site.leftovers() == []


def test_all_databases_are_those_that_can_be_dumped(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    for name in ("good", "half", "closed", "known"):
        create(server, name)
    # What PostgreSQL itself leaves of a DROP DATABASE that was interrupted.
    server.execute("UPDATE pg_database SET datconnlimit = -2 WHERE datname IN ('half', 'known')")
    server.execute("ALTER DATABASE closed ALLOW_CONNECTIONS false")
    left_out = ["postgres", "known"]
    site = Site(folder=tmp_path, server=server, plans={"p": plan(exclude_databases=left_out)})
    (made,) = site.make("p")
    assert (made.database, made.status) == ("good", Status.SUCCEEDED), made.message
    closed, half = made.warnings
    assert "closed takes no connections" in closed
    assert "half is invalid" in half
    checked = site.run("check", "p")
    assert checked.returncode == 0
    assert "half is invalid" in " ".join(checked.stdout.split())


def test_a_table_without_columns_and_one_of_an_extension(database: Database, tmp_path: Path) -> None:
    database.execute("CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES")
    database.execute("CREATE TABLE parted (n int) PARTITION BY LIST (n)")
    database.execute("CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1)")
    database.execute("CREATE UNLOGGED TABLE fleeting AS SELECT 1 AS n")
    database.execute('CREATE SCHEMA pgs; CREATE TABLE pgs."odd\nname; TABLE DATA" AS SELECT 1 AS n')
    plans = {name: plan(databases=[database.name], format=name) for name in ("custom", "plain", "directory")}
    site = Site(folder=tmp_path, server=database.server, plans=plans)
    for name in plans:
        (made,) = site.make(name)
        assert made.status is Status.SUCCEEDED, made.message
        counts = made.row_counts or {}
        assert counts["public.nothing"] == counts["public.fleeting"] == 1
        assert "public.parted" not in counts
        assert counts["public.parted_1"] == 0


def test_another_encoding(pg17: Server, tmp_path: Path) -> None:
    """pg_restore lists the names of such a database in its encoding, which is no UTF-8."""
    pg17.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    try:
        with psycopg.connect(pg17.conninfo("latin"), client_encoding="utf8", autocommit=True) as connection:
            connection.execute('CREATE TABLE "Müller" AS SELECT 1 AS n')
        site = Site(folder=tmp_path, server=pg17, plans={"p": plan(databases=["latin"])})
        (made,) = site.make("p")
    finally:
        pg17.execute("DROP DATABASE latin WITH (FORCE)")
    assert made.status is Status.SUCCEEDED, made.message
    assert made.row_counts == {'public."Müller"': 1}
    assert made.database_facts is not None
    assert made.database_facts.encoding == "LATIN1"


OWNED = """
    SELECT pg_get_userbyid(relowner)::text, shobj_description(d.oid, 'pg_database')
    FROM pg_class, pg_database d WHERE relname = 'owned' AND datname = current_database()"""
BYTES = """
    CREATE SCHEMA "\xfc"; CREATE TABLE "\xfc"."\xff" ("\xfc" serial PRIMARY KEY);
    INSERT INTO "\xfc"."\xff" DEFAULT VALUES;
    ALTER TABLE "\xfc"."\xff" ADD CONSTRAINT "\xfc" CHECK ("\xfc" > 9) NOT VALID;
    CREATE TABLE owned AS SELECT '\xff'::text AS n; ALTER TABLE owned OWNER TO "m\xfcller";
    COMMENT ON DATABASE bytes IS 'B\xfccher'; COMMENT ON TABLE owned IS '\xff';
    CREATE PUBLICATION "\xfc" FOR TABLE owned;
    CREATE TABLE "\xc3\xbc" AS SELECT 1 AS "\xc3\xbc";
""".encode("latin-1")


def owner_and_comment(site: Site, server: Server, backup: str) -> tuple[object, ...] | None:
    """Of the table ``owned`` and of the database, as restored beside the live one; bytes of SQL_ASCII."""
    restored = site.run("restore", backup, "--into", "beside", r"--trust=m\xfcller")
    assert restored.returncode == 0, restored.stderr
    with psycopg.connect(server.conninfo("beside")) as connection:
        found = connection.execute(OWNED).fetchone()
    server.execute("DROP DATABASE beside WITH (FORCE)")
    return found


def test_names_that_were_given_in_another_encoding(make_server: MakeServer, tmp_path: Path) -> None:
    """All databases share the bytes of roles' and databases' names, and these are no UTF8."""
    server = make_server()
    create(server, "shop")
    server.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    with psycopg.connect(server.conninfo("latin"), client_encoding="utf8", autocommit=True) as connection:
        connection.execute('CREATE ROLE "müller"')
        connection.execute('CREATE DATABASE "größe" TEMPLATE template0')
        connection.execute("CREATE TABLE owned AS SELECT 1 AS n")
        connection.execute('ALTER TABLE owned OWNER TO "müller"')
        connection.execute("COMMENT ON DATABASE latin IS 'Bücher'")
    site = Site(folder=tmp_path, server=server, plans={"p": plan(exclude_databases=["postgres"])})
    made = {each.database: each for each in site.make("p")}
    assert {name: each.message for name, each in made.items() if each.status is not Status.SUCCEEDED} == {}
    assert set(made) == {"shop", "latin"}
    (warning,) = (each for backup in made.values() for each in backup.warnings)
    assert r"gr\xf6\xdfe is no text in the encoding of postgres" in warning
    assert site.run("drill", "p").returncode == 0
    assert b'CREATE ROLE "m\xfcller"' in (site.path(made["shop"]) / "globals.sql").read_bytes()
    # The role is there already, whatever it is called in the maintenance database.
    assert owner_and_comment(site, server, made["latin"].id) == ("müller", "Bücher")
    # Where it is the only one, a database without an encoding; its bytes are no text for a drill's server.
    server.execute("CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    server.execute("DROP DATABASE latin WITH (FORCE)")
    with psycopg.connect(server.conninfo("bytes"), autocommit=True) as connection:
        connection.execute(BYTES)
    made = {each.database: each for each in site.make("p")}
    assert {each.status for each in made.values()} == {Status.SUCCEEDED}
    # What has a name that is no text costs its own count alone.
    assert made["bytes"].row_counts == {"public.owned": 1, 'public."ü"': 1}
    drilled = site.run("drill", "p")
    assert drilled.returncode == 0, drilled.stderr
    assert "level=warning" not in drilled.stderr  # such as that of publications, in every drill
    assert owner_and_comment(site, server, made["bytes"].id) == (b"m\xfcller", b"B\xfccher")
    server.execute("DROP DATABASE bytes WITH (FORCE)")  # nobody can ask for the role any more
    (refused,) = site.make("p")
    assert refused.reason is Reason.TOOL
    assert (
        r"The name of a role, m\xfcller, is no text in the encoding of the database postgres"
        in refused.message
    )


def test_a_role_whose_name_no_letters_of_the_maintenance_database_are(
    make_server: MakeServer, tmp_path: Path
) -> None:
    """WIN1252, as Windows has it, lacks a second byte of some letters of UTF8, of which Á is one."""
    server = make_server()
    create(server, "shop")
    server.execute("CREATE DATABASE windows TEMPLATE template0 ENCODING 'WIN1252' LOCALE 'C'")
    server.execute('CREATE ROLE "Álvaro"')
    settings = {"maintenance_database": "windows"}
    site = Site(
        folder=tmp_path, server=server, plans={"p": plan(databases=["shop"])}, server_settings=settings
    )
    (made,) = site.make("p")
    assert made.status is Status.SUCCEEDED, made.message
    assert 'CREATE ROLE "Álvaro"'.encode() in (site.path(made) / "globals.sql").read_bytes()


def test_all_leaves_out_what_restores_fill(database: Database) -> None:
    server = database.server
    beside = f"{database.name}__restore_5f3a9c"
    server.execute(f'create database "{beside}"')
    try:
        settings = Plan.model_validate(plan(databases="all"))
        with server.connect() as connection:
            names = meant_databases.meant(connection, settings)
        assert database.name in names
        assert beside not in names
        named = settings.evolve(databases=(beside,))
        with server.connect() as connection:
            assert meant_databases.meant(connection, named) == (beside,)  # who names it gets it
    finally:
        server.execute(f'drop database "{beside}" with (force)')
