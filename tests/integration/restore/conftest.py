"""A place for a database of the test's own."""

from pathlib import Path

import pytest

from tests.integration.restore import places
from tests.support.backups import Site
from tests.support.databases import Database


@pytest.fixture
def place(database: Database, tmp_path: Path) -> Site:
    return places.site(tmp_path, database.server, database.name)
