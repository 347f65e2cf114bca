"""What a record of a backup says of its server."""

import pytest

from pgbackstop_catalog.records.source import ServerFacts
from tests.support import factories


@pytest.mark.parametrize(("number", "major"), [(150004, 15), (170010, 17), (180000, 18)])
def test_the_server_that_was_backed_up(number: int, major: int) -> None:
    facts = ServerFacts(version="", version_number=number, system_identifier="7711071966312190430")
    backup = factories.backup(1, factories.NOW, server_facts=facts)
    assert (backup.major, backup.system_identifier) == (major, "7711071966312190430")


def test_a_server_that_the_record_does_not_describe() -> None:
    backup = factories.backup(1, factories.NOW)
    assert (backup.major, backup.system_identifier) == (0, "")
