"""Which libraries a server of ours preloads: by their plain name, out of the host's own folder."""

from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_runner.postgres import loaded_libraries
from pgbackstop_runner.postgres.client_programs import Binaries


@pytest.fixture
def programs(tmp_path: Path) -> Binaries:
    libraries = tmp_path / "lib"
    for name in ("libpqwalreceiver.so", "pg_cron.so", "sub/evil.so"):
        (libraries / name).parent.mkdir(exist_ok=True, parents=True)
        (libraries / name).touch()
    (tmp_path / "evil.so").touch()
    return Binaries(folder=tmp_path / "bin", version="17.5")


def test_those_of_the_host_in_their_order(programs: Binaries) -> None:
    names = loaded_libraries.named('timescaledb, "pg_cron",$libdir/pg_cron,pg_cron.so, ')
    found = loaded_libraries.preloads(names, programs)
    assert found.here == ("pg_cron", "$libdir/pg_cron", "pg_cron.so")
    assert found.missing == ("timescaledb",)


@pytest.mark.parametrize(
    "name",
    [
        "base/evil",
        "/evil.so",
        "../evil",
        "$libdir/../evil",
        "sub/evil",
        "./pg_cron",
        "..",
        "pg_cron\n",
        "",
    ],
)
def test_no_path(programs: Binaries, name: str) -> None:
    assert loaded_libraries.preloads([name], programs).here == ()


def test_a_host_whose_folder_is_not_known(tmp_path: Path) -> None:
    nowhere = Binaries(folder=tmp_path / "bin", version="17.5")
    assert loaded_libraries.preloads(["pg_cron"], nowhere).missing == ("pg_cron",)


def test_what_a_server_needs_and_the_host_lacks(programs: Binaries) -> None:
    loaded_libraries.require(["pg_cron", "base/of_the_backup.so"], programs)
    with pytest.raises(errors.ValidationError, match=r"timescaledb, /no/such\.so\."):
        loaded_libraries.require(["pg_cron", "timescaledb", "/no/such.so"], programs)
