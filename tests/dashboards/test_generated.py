"""The committed files are what the code gives, and name the version of the product."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pgbackstop_catalog
from pgbackstop_dashboards import __main__, grafana
from tests.dashboards.documents import DOCUMENTS, FOLDER, PATHS


def test_the_files_are_those_that_a_fresh_run_gives(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(FOLDER), *sys.path])}
    subprocess.run(
        [sys.executable, "-m", "pgbackstop_dashboards", str(tmp_path)], check=True, env=environment
    )
    fresh = {path.name: path.read_text() for path in tmp_path.iterdir()}
    committed = {path.name: path.read_text() for path in PATHS}
    assert fresh == committed, "run: python -m pgbackstop_dashboards"


def test_files_bear_the_names_of_their_dashboards() -> None:
    assert {path.stem for path in PATHS} == {document["uid"] for document in DOCUMENTS.values()}
    assert len(PATHS) == len(__main__.PAGES)


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_the_version_is_that_of_the_product(document: dict[str, object]) -> None:
    assert pgbackstop_catalog.__version__ == grafana.VERSION
    assert f"Version {grafana.VERSION}." in str(document["description"])
