"""libpq's service file: what is taken from it, and that libpq itself takes the same."""

from pathlib import Path

import pytest
from psycopg import pq

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import conninfo, load, service_file
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.config.yaml_file import BadConfig

FILE = """
# of all
[other]
host=other.example

  [shop]
#user=nobody
host=db.example
port=5433
  user=keeper
dbname=shop
sslmode=verify-full
sslrootcert=/etc/ca.pem
connect_timeout=7
options=-c work_mem=1MB
host=second.example
ldap://ldap.example/dc=x?y?one
[shop]
user=late
"""


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "services"
    path.write_text(FILE)
    monkeypatch.setenv("PGSERVICEFILE", str(path))
    monkeypatch.delenv("PGSYSCONFDIR", raising=False)
    return path


def configuration(folder: Path, server: str) -> Path:
    path = folder / "pgbackstop.yaml"
    path.write_text(f"servers: {{main: {server}}}\nstorages: {{disk: {{path: s}}}}\n")
    return path


def test_it_gives_what_is_left_out(tmp_path: Path) -> None:
    server = load.load(configuration(tmp_path, "{service: shop, user: own}")).servers["main"]
    assert (server.host, server.port, server.user) == ("db.example", 5433, "own")
    assert server.maintenance_database == "shop"
    assert server.sslmode == "verify-full"
    assert server.sslrootcert == Path("/etc/ca.pem")
    assert server.connect_timeout == 7
    told = conninfo.keywords(server, application_name="x")
    assert (told["service"], told["host"], told["port"], told["user"]) == (
        "shop",
        "db.example",
        "5433",
        "own",
    )
    assert conninfo.required_methods(told) == ""
    assert server.for_restores() == server


@pytest.mark.parametrize(
    ("given", "libpqs", "address"),
    [
        ("{host: [a, b], port: [1, 2]}", ("a,b", "1,2"), "a:1, b:2"),
        ("{host: [a, b], port: 3}", ("a,b", "3"), "a:3, b:3"),
        ("{host: [a]}", ("a", "5432"), "a:5432"),
        ('{host: "a,b"}', ("a,b", "5432"), "a:5432, b:5432"),
        ("{service: two}", ("c,d", "4,5"), "c:4, d:5"),
    ],
)
def test_several_hosts(tmp_path: Path, file: Path, given: str, libpqs: tuple[str, str], address: str) -> None:
    file.write_text("[two]\nhost=c,d\nport=4,5\ntarget_session_attrs=primary\n")
    server = load.load(configuration(tmp_path, given)).servers["main"]
    told = conninfo.keywords(server, application_name="x")
    assert (told["host"], told["port"]) == libpqs
    assert server.address == address
    assert told["target_session_attrs"] == ("primary" if "two" in given else "any")
    assert server.for_restores() == server


def test_libpq_reads_the_same(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(FILE.replace("ldap://ldap.example/dc=x?y?one\n", ""))  # which it would ask
    monkeypatch.setenv("PGSERVICE", "shop")
    theirs = {each.keyword.decode(): (each.val or b"").decode() for each in pq.Conninfo.get_defaults()}
    ours = service_file.settings("shop")
    assert len(ours) == 8
    assert {name: theirs[name] for name in ours} == ours


def test_the_folder_of_the_system_comes_after(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGSERVICEFILE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PGSYSCONFDIR", str(tmp_path / "etc"))
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "pg_service.conf").write_text("[shop]\nhost=a\n[far]\nhost=b\n")
    (tmp_path / ".pg_service.conf").write_text("[shop]\nhost=c\n")
    assert service_file.settings("shop") == {"host": "c"}
    assert service_file.settings("far") == {"host": "b"}


def test_one_that_is_not_there_is_told_by_who_needs_it(tmp_path: Path, file: Path) -> None:
    """And the catalog can be read without."""
    server = load.load(configuration(tmp_path, "{service: shed}")).servers["main"]
    with pytest.raises(errors.ConfigError, match=rf"no service 'shed' in {file}\."):
        conninfo.keywords(server, application_name="x")
    file.unlink()
    with pytest.raises(errors.ConfigError, match=rf"no service 'shed' in {file}\."):
        conninfo.keywords(server, application_name="x")
    file.mkdir()
    with pytest.raises(errors.ConfigError, match="cannot be read: "):
        conninfo.keywords(Server(service="shed"), application_name="x")


def test_a_value_that_is_none_is_a_problem_of_the_line(tmp_path: Path, file: Path) -> None:
    file.write_text("[shop]\nport=many\n")
    with pytest.raises(BadConfig, match=r"servers\.main\.service: 'shop' says: port "):
        load.load(configuration(tmp_path, "{service: shop}"))
