"""Where the catalog is: the quick answer is the model's, and what is no plain case is left to it."""

import re
from pathlib import Path

import pytest

from pgbackstop_catalog.config import load, locate_catalog
from pgbackstop_catalog.config.yaml_file import BadConfig

GOOD = """\
servers:
  main: {}
storages:
  disk:
    path: store
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pgbackstop.yaml"


CATALOGS = {
    "the first folder's": GOOD,
    "named": GOOD + "catalog: records\n",
    "absolute": GOOD + "catalog: /var/records\n",
    "in the home": GOOD + "catalog: ~/records\n",
    "no folder first": "servers: {main: {}}\nstorages: {cloud: {kind: s3, bucket: b}, disk: {path: /x}}",
    "an encrypted folder first": "servers: {main: {}}\nstorages:\n"
    "  far: {path: /y, encryption: {recipients_file: r}}\n  disk: {path: /x}",
}


@pytest.mark.parametrize("case", CATALOGS)
def test_the_catalog_s_place_is_the_model_s(file: Path, case: str) -> None:
    file.write_text(CATALOGS[case])
    assert locate_catalog.named_by(file) == load.load(file).catalog_folder()


@pytest.mark.parametrize(
    "text",
    ["[", "- a", "servers: {}", "storages: {disk: {path: 7}}", "catalog: 7", "storages: {a: {kind: s3}}"],
)
def test_a_file_without_a_plain_catalog_is_judged_by_the_model(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(BadConfig, match=re.escape(str(file))):
        locate_catalog.named_by(file)
