"""Whether the catalog's own database is backed up."""

from typing import Any

import pytest

from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.decisions import catalog_backup


def config(plan: dict[str, Any], **catalog: Any) -> Config:
    return Config.model_validate(
        {
            "servers": {"fleet": {"host": "one.example,two.example", "port": 5433}, "other": {}},
            "plans": {"only": {"server": "fleet", "backup_type": "logical", **plan}},
            "storages": {"disk": {"path": "/srv"}},
            "catalog": {"postgres": {"host": "two.example", "port": 5433, **catalog}},
        }
    )


@pytest.mark.parametrize(
    "plan", [{}, {"databases": ["pgbackstop"]}, {"backup_type": "physical"}], ids=["all", "named", "physical"]
)
def test_one_that_is(plan: dict[str, Any]) -> None:
    assert catalog_backup.missing(config(plan)) == ""


@pytest.mark.parametrize(
    ("plan", "catalog"),
    [
        ({"databases": ["shop"]}, {}),
        ({"exclude_databases": ["pgbackstop"]}, {}),
        ({"enabled": False}, {}),
        ({"server": "other"}, {}),
        ({}, {"port": 5432}),
    ],
    ids=["another", "excluded", "paused", "of another server", "at another port"],
)
def test_one_that_is_not(plan: dict[str, Any], catalog: dict[str, Any]) -> None:
    said = catalog_backup.missing(config(plan, **catalog))
    assert said.startswith("No plan here backs up the catalog's database pgbackstop at two.example:543")


def test_a_folder_is_backed_up_by_whom_it_belongs_to() -> None:
    assert catalog_backup.missing(config({}).evolve(catalog=None)) == ""
