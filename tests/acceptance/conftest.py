"""A database that takes a while to dump, as a fixture."""

from collections.abc import Iterator

import pytest

from tests.acceptance.bulk import BULK
from tests.support import databases
from tests.support.databases import Database
from tests.support.servers import Server


@pytest.fixture(scope="module")
def big(pg17: Server) -> Iterator[Database]:
    """A database of some 35 MB."""
    made = databases.clone(pg17)
    made.execute(BULK.format(seed="big", rows=500_000))
    yield made
    made.drop()
