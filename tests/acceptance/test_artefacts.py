"""Every artefact is readable by PostgreSQL's and standard tools alone, and restores by its own lines."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgbackstop_catalog.records.backup import Backup
from tests.support import accounts, databases, places, ports
from tests.support.backups import SYSTEM_PATH, Site, by_hand, commands_by_hand, plan, restore_by_hand
from tests.support.databases import Database
from tests.support.fixtures import MakeServer
from tests.support.servers import Server

FORMATS: dict[str, dict[str, Any]] = {
    "custom": {"format": "custom"},
    "plain": {"format": "plain"},
    "plain-gzip": {"format": "plain", "compression": {"method": "gzip"}},
    "directory": {"format": "directory"},
}
TESTERS = {".zst": ["zstd", "--test", "--quiet"], ".gz": ["gzip", "--test"]}


def check_with_standard_tools(folder: Path) -> None:
    """sha256sum over everything, zstd -t and gzip -t over what is compressed."""
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    listed = {line.partition("  ")[2] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert present - listed == {"SHA256SUMS", "RESTORE.md", "backup.json"}
    assert listed <= present
    for name in listed:
        if Path(name).suffix in TESTERS:
            subprocess.run([*TESTERS[Path(name).suffix], folder / name], check=True)


def test_logical(edge_server: Server, database: Database, tmp_path: Path) -> None:
    plans = {name: plan(databases=[database.name], **settings) for name, settings in FORMATS.items()}
    site = Site(folder=tmp_path, server=edge_server, plans=plans)
    for name in plans:
        folder = site.path(site.made(name))
        check_with_standard_tools(folder)
        assert json.loads((folder / "backup.json").read_text())["status"] == "succeeded"
        if not name.startswith("plain"):
            (dump,) = [path for path in folder.iterdir() if path.suffix in {".backup", ".dir"}]
            listing = by_hand([f"pg_restore --list {dump}"], edge_server, folder).stdout
            assert listing.count("TABLE DATA public") == 3


@pytest.mark.parametrize("name", FORMATS)
def test_a_dump_restores_by_hand(
    pg17: Server, database: Database, private_server: Server, tmp_path: Path, name: str
) -> None:
    """Into a fresh server: every row, the owner, the settings and rights of the database."""
    owner = f"owner_{database.name}"
    pg17.execute(f"CREATE ROLE {owner}")
    pg17.execute(f"ALTER DATABASE {database.name} OWNER TO {owner}")
    pg17.execute(f"ALTER DATABASE {database.name} SET work_mem = '7MB'")
    plans = {name: plan(databases=[database.name], **FORMATS[name])}
    site = Site(folder=tmp_path, server=pg17, plans=plans)
    made = site.made(name)
    restore_by_hand(site.path(made), private_server, pg17)
    with psycopg.connect(private_server.conninfo(database.name), password=pg17.password) as connection:
        for table, count in (made.row_counts or {}).items():
            assert connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (count,)
        for table, rows in database.rows().items():
            restored = connection.execute(databases.rows_query(table).encode()).fetchall()
            assert [row for (row,) in restored] == rows
        row = connection.execute(
            "SELECT current_setting('work_mem'), pg_get_userbyid(datdba) FROM pg_database"
            " WHERE datname = current_database()"
        ).fetchone()
        assert row == ("7MB", owner)


@pytest.fixture
def workbench() -> Iterator[Path]:
    """A folder of the servers' account: PostgreSQL's programs are run as the user who runs PostgreSQL."""
    folder = places.make()
    accounts.unprivileged().own(folder)
    yield folder
    places.remove(folder)


class ByHand:
    """Restores physical backups by hand below a folder, as the servers' account."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder = folder
        self.server = server
        self.port = ports.free()

    def brought(self, site: Site, made: Backup) -> Path:
        """A copy of a backup's folder that the account may read."""
        here = self.folder / made.id
        shutil.copytree(site.path(made), here)
        for path in [here, *here.rglob("*")]:
            accounts.unprivileged().own(path)
        return here

    def run(self, command: str, cwd: Path) -> None:
        environment = {
            "PATH": f"{self.server.programs.folder}:{SYSTEM_PATH}",
            "PGPORT": str(self.port),
            "LC_ALL": "C",
        }
        # Into a file: a started server would hold a pipe open.
        with (self.folder / "out").open("ab") as out:
            done = subprocess.run(
                ["bash", "-o", "pipefail", "-c", command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                check=False,
                cwd=cwd,
                timeout=120,
                env=environment,
                **accounts.unprivileged().credentials,
            )
        assert done.returncode == 0, (command, (self.folder / "out").read_text())

    def rows(self, table: str, database: str) -> list[object]:
        target = self.server.conninfo(database).replace(f"port={self.server.port} ", f"port={self.port} ")
        with psycopg.connect(target, password=self.server.password) as connection:
            return [row for (row,) in connection.execute(databases.rows_query(table).encode())]

    def stop(self, data: Path) -> None:
        self.run(f"pg_ctl -D {data} stop -m immediate", self.folder)


@pytest.mark.parametrize("method", ["zstd", "gzip"])
def test_physical(edge_server: Server, tmp_path: Path, workbench: Path, method: str) -> None:
    """Standard tools, tar by hand, pg_verifybackup."""
    plans = {"p": plan("physical", compression={"method": method})}
    site = Site(folder=tmp_path, server=edge_server, plans=plans)
    made = site.made("p")
    check_with_standard_tools(site.path(made))
    by_hand = ByHand(workbench, edge_server)
    here = by_hand.brought(site, made)
    data = workbench / "data"
    *unpack, start = [line.replace("/path/to/data", str(data)) for line in commands_by_hand(here)]
    for command in unpack:
        by_hand.run(command, here)
    by_hand.run(start.partition(" && ")[0], here)  # pg_verifybackup; that it starts is tested on one major


def test_a_physical_backup_starts_with_its_tablespace(
    make_server: MakeServer, tmp_path: Path, workbench: Path
) -> None:
    server = make_server()
    space = server.folder / "a space"
    space.mkdir()
    accounts.unprivileged().own(space)
    server.execute(f"CREATE TABLESPACE away LOCATION '{space}'")
    database = databases.clone(server)
    database.execute("CREATE TABLE far TABLESPACE away AS SELECT generate_series(1, 1234) AS n")
    site = Site(folder=tmp_path, server=server, plans={"p": plan("physical")})
    made = site.made("p")
    assert made.server_facts is not None
    assert [each.location for each in made.server_facts.tablespaces] == [str(space)]
    expected = database.rows()
    server.stop()
    shutil.move(space, workbench / "was")
    server.folder.chmod(0o777)  # so that the account can make the folder again, as on a new host
    by_hand = ByHand(workbench, server)
    here = by_hand.brought(site, made)
    data = workbench / "data"
    for line in commands_by_hand(here):
        by_hand.run(line.replace("/path/to/data", str(data)), here)
    try:
        assert len(by_hand.rows("far", database.name)) == 1234
        assert {table: by_hand.rows(table, database.name) for table in expected} == expected
    finally:
        by_hand.stop(data)


def test_an_incremental_backup_starts(make_server: MakeServer, tmp_path: Path, workbench: Path) -> None:
    server = make_server(settings={"summarize_wal": "on"})
    database = databases.clone(server)
    site = Site(folder=tmp_path, server=server, plans={"p": plan("physical", incremental={"enabled": True})})
    full = site.made("p")
    database.execute("CREATE TABLE later AS SELECT generate_series(1, 4321) AS n")
    made = site.made("p")
    assert (made.method, made.parent) == ("incremental", full.id), made.fallback
    expected = database.rows()
    by_hand = ByHand(workbench, server)
    folders = {each.id: workbench / f"data-{each.id}" for each in (full, made)}
    for each in (full, made):
        here = by_hand.brought(site, each)
        *unpack, last = commands_by_hand(here)
        for line in unpack:
            by_hand.run(line.replace("/path/to/data", str(folders[each.id])), here)
    combined = workbench / "combined"
    combine = last.partition("   #")[0].replace("/path/to/combined", str(combined))
    combine = combine.replace("/path/to/full /path/to/incremental ...", str(folders[full.id]))
    by_hand.run(combine.replace("/path/to/data", str(folders[made.id])), workbench)
    by_hand.run(f"pg_verifybackup {combined} && pg_ctl -D {combined} start", workbench)
    try:
        assert len(by_hand.rows("later", database.name)) == 4321
        assert {table: by_hand.rows(table, database.name) for table in expected} == expected
    finally:
        by_hand.stop(combined)
