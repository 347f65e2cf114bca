"""Names become folders, never paths."""

from pathlib import PurePosixPath
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog.store import layout

names = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=63)


@pytest.mark.parametrize("name", ["shop", "shop_2", "shop-eu", "a.b", "_x", "9"])
def test_plain_words_stay_as_they_are(name: str) -> None:
    assert layout.folder_name(name) == name


@pytest.mark.parametrize(
    "name", ["..", ".", "/", "../x", "a/b", "-rf", ".hidden", "x.partial", "a b", "ü", "%"]
)
def test_anything_else_is_encoded(name: str) -> None:
    folder = layout.folder_name(name)
    assert folder != name
    assert not set(folder) & set("/ \0")
    assert not folder.startswith((".", "-"))


@given(names)
def test_no_name_leaves_its_place(name: str) -> None:
    folder = layout.folder_name(name)
    assert PurePosixPath(folder).parts == (folder,)
    assert folder not in {".", ".."}
    assert not folder.startswith((".", "-"))
    assert not folder.endswith(layout.PARTIAL_SUFFIX)


@given(names, names)
def test_two_names_are_two_folders(one: str, other: str) -> None:
    assert (layout.folder_name(one) == layout.folder_name(other)) is (one == other)


@given(names)
def test_the_name_can_be_read_from_the_folder(name: str) -> None:
    assert unquote(layout.folder_name(name)) == name


def test_the_folders() -> None:
    logical = layout.backup_folder(backup_type="logical", server="main", database="a b", backup_id="ID")
    physical = layout.backup_folder(backup_type="physical", server="main", database="", backup_id="ID")
    assert str(logical) == "backups/logical/main/a%20b/ID"
    assert str(physical) == "backups/physical/main/ID"
    assert str(layout.wal_folder("main")) == "backups/wal_archive/main"
