"""The audit has a line for each deed, also after one that could not be written whole."""

from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_runner.console import audit
from tests.unit.runner import places


def test_a_line_that_was_cut_off_takes_no_other_with_it(tmp_path: Path) -> None:
    opened = places.workspace(tmp_path)
    audit.write(opened, audit.Deed(user="otto", address="here", action="backup"))
    with audit.file_of(opened).open("ab") as file:
        file.write(b'{"at": "2026-11-22T02:00:00Z", "user": "ot')
    audit.write(opened, audit.Deed(user="ada", address="here", action="verify"))
    audit.write(opened, audit.Deed(user="ada", address="here", action="drill"))
    assert [each["action"] for each in audit.newest(opened)] == ["drill", "verify", "backup"]
    assert b"\n\n" not in audit.file_of(opened).read_bytes()


def test_lines_that_are_away_are_not_taken_for_none(tmp_path: Path) -> None:
    opened = places.workspace(tmp_path)
    assert audit.newest(opened) == []
    audit.write(opened, audit.Deed(user="otto", address="here", action="backup"))
    root = opened.config.catalog_folder()
    root.rename(root.with_name("not-mounted"))
    with pytest.raises(errors.CatalogError, match="The catalog is not there"):
        audit.newest(opened)
