"""What is kept of discovered servers is read where the host's state is, and not taken for empty where not."""

import json
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import discovered, load
from pgbackstop_exporter.sources import discovery
from tests.support import storages

CONFIGURATION = """
storages: {disk: {kind: folder, path: store}}
discovery: {racks: {files: [targets.json]}}
"""


def test_a_state_that_is_away_is_not_taken_for_an_empty_list(tmp_path: Path) -> None:
    file = tmp_path / "pgbackstop.yaml"
    file.write_text(CONFIGURATION)
    storages.create_for(file)
    config = load.load(file)
    assert discovery.read(config, file).servers == {"racks": {}}
    kept = discovered.servers_file(config.state_root(), "racks")
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps({"pay-1": {"host": "pay-1"}}))
    found = discovery.read(config, file)
    assert (found.servers, found.facts["racks"].servers) == ({"racks": {"pay-1": {"host": "pay-1"}}}, 1)
    store = tmp_path / "store"
    store.rename(tmp_path / "away")
    store.mkdir()
    with pytest.raises(errors.CatalogError, match="is not there"):
        discovery.read(config, file)
