"""Which file is the configuration."""

from pathlib import Path

import pytest

from pgbackstop_catalog import config_place, errors


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pgbackstop.yaml"


def test_where_the_file_is_looked_for(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(config_place.ENVIRONMENT, raising=False)
    monkeypatch.setattr(config_place, "PLACES", (Path("pgbackstop.yaml"), tmp_path / "etc.yaml"))
    with pytest.raises(errors.ConfigError, match="There is no configuration"):
        config_place.find(None)
    (tmp_path / "etc.yaml").touch()
    assert config_place.find(None) == tmp_path / "etc.yaml"
    file.touch()
    assert config_place.find(None) == Path("pgbackstop.yaml")
    monkeypatch.setenv(config_place.ENVIRONMENT, "/named/by/environment")
    assert config_place.find(None) == Path("/named/by/environment")
    assert config_place.find(file) == file
