"""What a worker keeps and gives back, by what is there."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from pgbackstop_catalog import errors
from pgbackstop_runner import workspace
from pgbackstop_runner.fleet.database import Database
from pgbackstop_runner.fleet.settings import Settings
from pgbackstop_runner.fleet.wal_receivers import WalReceivers
from pgbackstop_runner.system import tenure
from pgbackstop_runner.system.tenure import Tenure
from pgbackstop_runner.workspace import Workspace
from tests.support import storages

CONFIGURATION = """
servers: {shop: {}, stock: {queue: far}, still: {wal: {enabled: false}}}
storages: {disk: {kind: folder, path: store}}
"""


@dataclass
class Asked:
    """Stands for the database of the catalog, which is away or takes note of what it is asked."""

    is_away: bool = False
    questions: list[str] = field(default_factory=list)

    async def asked(self, question: Callable[..., Any], *_args: Any) -> frozenset[str]:
        if self.is_away:
            raise errors.CatalogError("It is away.")
        self.questions.append(question.__name__)
        return frozenset()


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    file = tmp_path / "pgbackstop.yaml"
    file.write_text(CONFIGURATION)
    storages.create_for(file)
    return workspace.open_workspace(file, on_invalid_record=lambda _error: None)


def receivers(database: Asked, *held: str) -> WalReceivers:
    made = WalReceivers(
        worker="a",
        queues=("default",),
        most=100,
        database=cast("Database", database),
        settings=Settings(),
        tenure=Tenure.begin(tenure.now() + 3600),
    )
    made.held = frozenset(held)
    return made


def test_a_lease_of_another_queue_is_given_back(opened: Workspace) -> None:
    database = Asked()
    given = receivers(database, "stock")
    asyncio.run(given.look(opened))
    assert given.held == set()
    assert database.questions == ["known", "_release", "_exchange"]


def test_a_lease_without_its_storage_is_given_back(opened: Workspace) -> None:
    (opened.file.parent / "store").rename(opened.file.parent / "away")
    database = Asked()
    given = receivers(database, "shop")
    asyncio.run(given.look(opened))
    assert given.held == set()
    assert "_release" in database.questions


def test_nothing_is_given_back_while_the_database_is_away(opened: Workspace) -> None:
    (opened.file.parent / "store").rename(opened.file.parent / "away")
    given = receivers(Asked(is_away=True), "shop")
    with pytest.raises(errors.CatalogError):
        asyncio.run(given.look(opened))
    assert given.held == {"shop"}


def test_a_lease_that_was_given_back_meanwhile_is_not_told_of_as_lost() -> None:
    given = receivers(Asked(), "shop")
    with capture_logs() as told:
        given.lose({"shop", "stock"})
    assert [each["server"] for each in told] == ["shop"]
    assert given.held == set()
