"""What is open to others is told, and what is not is not."""

from pathlib import Path

import pytest

from pgbackstop_catalog.config.configuration import Config
from pgbackstop_runner.backup import exposure
from tests.support import factories


def warnings(folder: Path, **server: object) -> list[str]:
    document = {"servers": {"main": server}, "storages": {"disk": {"path": folder / "store"}}}
    return list(exposure.warnings(Config.model_validate(document)))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir(mode=0o700)
    return tmp_path / "store"


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_what_is_closed_is_not_told(store: Path, mode: int) -> None:
    password = store.parent / "password"
    password.touch()
    password.chmod(mode)
    assert warnings(store.parent, password_file=password) == []


@pytest.mark.parametrize("mode", [0o644, 0o666, 0o604, 0o620])
def test_a_secret_that_others_may_read_or_write(store: Path, mode: int) -> None:
    password = store.parent / "password"
    password.touch()
    password.chmod(mode)
    role = {"user": "postgres", "password_file": password}
    (told,) = warnings(store.parent, restore_role=role)
    assert told == (
        f"{password} holds a secret and is open to others (mode {mode:04o}); run: chmod 600 {password}"
    )


def test_an_identity_that_others_may_read(store: Path) -> None:
    """The recipients are no secret."""
    for name in ("recipients", "one", "two"):
        (store.parent / name).touch(mode=0o644)
    (store.parent / "one").chmod(0o600)
    encryption = {
        "recipients_file": store.parent / "recipients",
        "identity_files": [store.parent / "one", store.parent / "two"],
    }
    bucket = {"kind": "s3", "bucket": "b", "encryption": encryption}
    document = {"servers": {"main": {}}, "storages": {"disk": {"path": store}, "cloud": bucket}}
    (told,) = exposure.warnings(Config.model_validate(document))
    assert told.startswith(f"{store.parent / 'two'} holds a secret and is open to others (mode 0644)")


def test_a_storage_that_everybody_may_write_to(store: Path) -> None:
    store.chmod(0o777)
    (told,) = warnings(store.parent)
    assert told.startswith(f"the storage {store} may be written to by everybody (mode 0777)")


@pytest.mark.parametrize(
    ("host", "sslmode", "told"),
    [
        ("db.example.com", "prefer", True),
        ("10.0.0.1", "disable", True),
        ("db.example.com", "verify-full", False),
        ("db.example.com", "require", False),
        ("127.0.0.1", "prefer", False),
        ("/run/postgresql", "prefer", False),
    ],
)
def test_a_connection_that_others_may_read(store: Path, host: str, sslmode: str, told: bool) -> None:
    assert bool(warnings(store.parent, host=host, sslmode=sslmode)) is told


@pytest.mark.parametrize(
    ("sslmode", "told"), [("prefer", ["the catalog: with sslmode prefer"]), ("verify-full", [])]
)
def test_a_catalog_in_postgresql_that_others_may_read(store: Path, sslmode: str, told: list[str]) -> None:
    config = factories.config(store.parent, catalog={"postgres": {"host": "db.example", "sslmode": sslmode}})
    found = [each for each in exposure.warnings(config) if "the catalog" in each]
    assert [each[: len("the catalog: with sslmode prefer")] for each in found] == told
