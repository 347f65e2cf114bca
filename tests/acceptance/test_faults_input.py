"""Wrong configurations, servers and catalogs: one clear sentence, what to do, its exit code, nothing lost."""

import re
import shutil
from pathlib import Path

import pytest
import typer.testing

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_runner import main
from tests.support import binaries, ports
from tests.support.backups import Site, plan, sentence
from tests.support.servers import Server

ROOT = Path(__file__).parents[2]


def refused(site: Site, code: int, *words: str, plan_name: str = "p") -> str:
    """Runs a plan that must end with that code, and say that; the sentence is one, and says what to do."""
    done = site.run("backup", plan_name)
    text = sentence(done)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    for word in words:
        assert word in text
    return text


@pytest.fixture
def site(pg17: Server, tmp_path: Path) -> Site:
    return Site(folder=tmp_path, server=pg17, plans={"p": plan(databases=["postgres"])})


def test_wrong_password(site: Site) -> None:
    secret = site.folder / "password"
    secret.write_text("a-wrong-one\n")
    site.server_settings = {"password_file": str(secret)}
    site.write()
    text = refused(site, 6, "refuses the password of role postgres", "Check user and password_file")
    assert "a-wrong-one" not in text
    assert site.newest().reason is Reason.UNREACHABLE


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        ({"host": "nowhere.invalid"}, 6, ("host of nowhere.invalid:", "is unknown", "Correct host")),
        ({"user": "nobody_here"}, 6, ("nobody_here", "password")),
        ({"maintenance_database": "nowhere"}, 3, ("no database 'nowhere'", "maintenance_database")),
        ({"password_file": "/nowhere/password"}, 3, ("password file /nowhere/password cannot be read",)),
        ({"password_file": None, "password_env": "NOT_SET"}, 3, ("variable NOT_SET", "is not set")),
        ({"bin_dir": "/nowhere"}, 3, ("no pg_dump that runs in /nowhere", "Correct bin_dir")),
    ],
    ids=["host", "role", "database", "password file", "password variable", "bin_dir"],
)
def test_wrong_server(site: Site, settings: dict[str, object], code: int, words: tuple[str, ...]) -> None:
    site.server_settings = settings
    site.write()
    refused(site, code, *words)
    assert site.newest().status is Status.FAILED


def test_nothing_listens(site: Site) -> None:
    port = ports.free()
    site.server_settings = {"port": port}
    site.write()
    refused(site, 6, f"Nothing answers at 127.0.0.1:{port}.", "Check that PostgreSQL runs")


def test_missing_database(site: Site) -> None:
    site.plans = {"p": plan(databases=["nowhere"])}
    site.write()
    refused(site, 3, "There is no database 'nowhere'", "Correct databases of the plan")


def test_client_too_old(site: Site) -> None:
    site.server_settings = {"bin_dir": str(binaries.find(15).folder)}
    site.write()
    refused(site, 3, "are too old", "Install postgresql-client-17 or newer")


def test_role_without_rights(site: Site) -> None:
    site.server.execute("CREATE ROLE powerless LOGIN PASSWORD 'powerless'")
    site.server.execute("CREATE TABLE IF NOT EXISTS closed AS SELECT 1 AS n")
    secret = site.folder / "password"
    secret.write_text("powerless\n")
    site.server_settings = {"user": "powerless", "password_file": str(secret)}
    site.plans = {"p": plan(databases=["postgres"]), "w": plan("physical")}
    site.write()
    refused(site, 3, "no SELECT on public.closed", "Grant the role what it lacks")
    refused(site, 3, "lacks the REPLICATION attribute", "alter role powerless replication", plan_name="w")
    site.server.execute("DROP TABLE closed")


def test_unknown_plan(site: Site) -> None:
    refused(site, 7, "There is no plan 'typo'.", "There are: p.", plan_name="typo")
    assert site.backups() == []


def test_broken_yaml(site: Site) -> None:
    site.file.write_text("servers: [unclosed\n")
    text = refused(site, 2, str(site.file), "mend the syntax")
    assert "None" not in text


def test_unknown_key(site: Site) -> None:
    site.file.write_text(site.file.read_text().replace("backup_type:", "backup_typ:"))
    text = refused(site, 2, "plans.p.backup_typ: unknown key", "plans.p.backup_type: is missing")
    assert re.search(rf"{re.escape(str(site.file))}:\d+: ", text)


def test_no_configuration(site: Site) -> None:
    site.file.unlink()
    refused(site, 2, "cannot be read", "Check its name")


def test_unwritable_catalog(site: Site) -> None:
    """A file where the folder should be; root may write where a mode forbids it."""
    site.catalog_folder = site.folder / "catalog"
    site.write()
    site.catalog_folder.write_text("")
    refused(site, 5, "The catalog is not there", "Mount its disk")
    site.catalog_folder.unlink()
    assert site.run("storage", "create").returncode == 5  # its storage is in use: there was a catalog
    assert site.run("storage", "create", "--replace", "--yes").returncode == 0
    shutil.rmtree(site.catalog_folder / "locks")
    (site.catalog_folder / "locks").write_text("")
    refused(site, 5, "The catalog cannot be written", "Check the folder's owner")
    assert not list(site.store.glob("backups/**/*"))


def test_garbage_in_the_catalog(site: Site) -> None:
    good = site.made("p")
    garbage = site.catalog.path(good).with_name("20200101T000000Z-abcdef.json")
    garbage.write_bytes(b"\xff\x00 not json")
    done = site.run("backup", "p")
    assert done.returncode == 0
    assert f"warning: {garbage} is no record of pgbackstop" in sentence(done)
    assert garbage.read_bytes() == b"\xff\x00 not json"
    assert len(site.backups()) == 2


def test_a_record_of_a_newer_version(site: Site) -> None:
    good = site.made("p")
    path = site.catalog.path(good)
    path.write_text(path.read_text().replace('"record_version": 1', '"record_version": 2'))
    refused(site, 5, "written by a newer pgbackstop", "Upgrade pgbackstop")
    assert site.path(good).is_dir()


def test_a_damaged_commit_mark_is_kept(site: Site) -> None:
    good = site.made("p")
    running = good.evolve(status=Status.RUNNING, finished_at=None)
    site.catalog.put(running)
    (site.path(good) / "backup.json").write_text("{")
    site.made("p")
    (closed,) = [each for each in site.backups() if each.id == good.id]
    assert closed.status is Status.INTERRUPTED
    assert "is no record of pgbackstop" in closed.message
    assert site.path(good).is_dir()


@pytest.mark.parametrize("words", [("--scheduled-for", "soon"), ("--scheduled-for", "2026-01-01T00:00:00")])
def test_a_time_that_is_none(site: Site, words: tuple[str, str]) -> None:
    done = site.run("backup", "p", *words)
    assert done.returncode == 2
    assert words[1] in sentence(done)


def test_exit_codes_are_documented() -> None:
    """docs/reference/exit-codes.md and --help say what the errors say."""
    page = (ROOT / "docs" / "reference" / "exit-codes.md").read_text()
    rows = [line.split("|")[1:3] for line in page.splitlines() if re.match(r"\| *\d", line)]
    written = tuple((int(code), meaning.strip()) for code, meaning in rows)
    assert written == errors.EXIT_CODES
    shown = typer.testing.CliRunner().invoke(main.app, ["--help"]).output
    for code, meaning in errors.EXIT_CODES:
        assert f"{code}  {meaning}" in shown
