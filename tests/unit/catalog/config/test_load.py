"""What a right configuration is read as."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import load, locate_catalog
from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.config.storage import S3Storage
from tests.unit.catalog.config.file_texts import GOOD


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pgbackstop.yaml"


def test_a_right_one_has_paths_from_its_own_folder(file: Path) -> None:
    file.write_text(GOOD)
    config = load.load(file)
    assert config.folder(None).path == file.parent / "store"
    assert config.catalog_folder() == file.parent / "store" / "catalog"
    cloud = config.storages["cloud"]
    assert isinstance(cloud, S3Storage)
    assert cloud.secret_access_key_file == file.parent / "keys" / "secret"


def test_secrets_of_channels_are_found_from_its_own_folder(file: Path) -> None:
    text = "notifications: {discord: {webhook_url_file: keys/d}, pagerduty: {routing_key_file: keys/p}}\n"
    file.write_text(GOOD + text)
    found = load.load(file).notifications
    assert found.discord is not None
    assert found.pagerduty is not None
    assert found.discord.webhook_url_file == file.parent / "keys" / "d"
    assert found.pagerduty.routing_key_file == file.parent / "keys" / "p"


def test_files_of_keys_are_found_from_its_own_folder(file: Path) -> None:
    keys = "    encryption: {recipients_file: keys/all, identity_files: [keys/one, /etc/two]}\n"
    file.write_text(GOOD + keys)
    encryption = load.load(file).storages["cloud"].encryption
    assert encryption is not None
    assert encryption.recipients_file == file.parent / "keys" / "all"
    assert encryption.identity_files == (file.parent / "keys" / "one", Path("/etc/two"))


CATALOG = """\
catalog:
  postgres:
    host: [one.example, two.example]
    database: fleet
    password_file: keys/catalog
"""


def test_a_catalog_in_postgresql(file: Path) -> None:
    file.write_text(GOOD + CATALOG)
    config = load.load(file)
    place = config.catalog_database
    assert place is not None
    assert place.password_file == file.parent / "keys" / "catalog"
    assert (place.address, place.database) == ("one.example:5432, two.example:5432", "fleet")
    with pytest.raises(errors.ConfigError, match="names one in PostgreSQL"):
        config.catalog_folder()
    assert config.state_root() == file.parent / "store" / "state"
    file.write_text(GOOD + CATALOG + "state_folder: mine\nnonsense: 1\n")
    assert locate_catalog.named_by(file) == place
    file.write_text(GOOD + "state_folder: mine\n")
    config = load.load(file)
    assert (config.state_root(), config.catalog_folder().parent) == (
        file.parent / "mine",
        file.parent / "store",
    )


def test_without_plans_each_server_gets_the_two_of_the_specification(file: Path) -> None:
    file.write_text(GOOD)
    plans = load.load(file).plans
    schedules = {name: plan.effective_schedule().expression for name, plan in plans.items()}
    assert schedules == {"main-logical": "0 2 * * *", "main-physical": "0 3 * * 0"}


def test_free_labels_are_read_as_they_are_written(file: Path) -> None:
    file.write_text(GOOD.replace("host: db.example", "labels: {team: Zahlungen & Co, tier_2: '1'}"))
    assert load.load(file).servers["main"].labels == {"team": "Zahlungen & Co", "tier_2": "1"}


def test_only_a_folder_is_written_to() -> None:
    config = Config.model_validate(
        {"servers": {"main": {}}, "storages": {"cloud": {"kind": "s3", "bucket": "b"}}}
    )
    with pytest.raises(KeyError):
        _ = config.first_folder
    with pytest.raises(TypeError):
        config.folder("cloud")
