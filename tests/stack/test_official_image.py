"""PostgreSQL of the image that compose.yaml pins, by testcontainers: backed up, proven, restored.

Where an engine and a network are, testcontainers takes the official image; here it finds the stand-in.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from testcontainers.community.postgres import PostgresContainer

from tests.stack import stand_ins
from tests.stack.engine import Engine
from tests.stack.running import skip_where_impossible
from tests.support import binaries, storages

pytestmark = [pytest.mark.slow, pytest.mark.docker, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
ROWS = 1000


@pytest.fixture
def engine() -> Iterator[Engine]:
    skip_where_impossible()
    with Engine() as made:
        yield made


@pytest.fixture
def postgres(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresContainer]:
    (image,) = (each for each in stand_ins.wanted(ROOT) if each.target == "postgres")
    stand_ins.build(engine, [image])
    for name, value in engine.environment.items():
        monkeypatch.setenv(name, value)
    # Its helper container comes from a registry; whatever is left ends with the engine.
    monkeypatch.setattr("testcontainers.core.config.testcontainers_config.ryuk_disabled", True)
    container = PostgresContainer(image.image, username="dba", dbname="shop").with_kwargs(user="999:999")
    with container as made:
        yield made


def test_it_is_backed_up_proven_and_restored(
    engine: Engine, postgres: PostgresContainer, tmp_path: Path
) -> None:
    psql(postgres, "shop", f"create table orders as select generate_series(1, {ROWS}) as id")
    config = configuration(postgres, tmp_path)

    def pgbackstop(*words: str) -> str:
        command = (sys.executable, "-m", "pgbackstop_runner.main", "--config", str(config), *words)
        return engine.run(*engine.enter_network(*command))

    pgbackstop("backup", "shop")
    pgbackstop("drill", "shop")
    (made,) = json.loads(pgbackstop("list", "--json"))
    assert made["row_counts"] == {"public.orders": ROWS}
    psql(postgres, "shop", "drop table orders")
    pgbackstop("restore", made["id"], "--into", "beside")
    assert psql(postgres, "beside", "select count(*) from orders") == str(ROWS)


def psql(postgres: PostgresContainer, database: str, statement: str) -> str:
    command = [
        "psql",
        "-XAtq",
        "--host=/var/run/postgresql",
        "--username",
        postgres.username,
        "--dbname",
        database,
        "-c",
        statement,
    ]
    status, said = postgres.exec(command)
    assert status == 0, said
    return str(said.decode().strip())


def configuration(postgres: PostgresContainer, folder: Path) -> Path:
    """A server as anybody reaches it: by its published port and a password."""
    password, file = folder / "password", folder / "pgbackstop.yaml"
    password.write_text(postgres.password)
    password.chmod(0o600)
    server = {
        "port": int(postgres.get_exposed_port(5432)),
        "user": postgres.username,
        "password_file": str(password),
        "bin_dir": str(binaries.reachable(stand_ins.MAJOR).folder),
        "wal": {"enabled": False},
    }
    document = {
        "servers": {"main": server},
        "storages": {"disk": {"kind": "folder", "path": str(folder / "store")}},
        "plans": {"shop": {"server": "main", "backup_type": "logical", "databases": ["shop"]}},
    }
    file.write_text(json.dumps(document))
    storages.create_for(file)
    return file
