"""Which file is the configuration."""

from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import locate


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pgbackstop.yaml"


def test_where_the_file_is_looked_for(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(locate.ENVIRONMENT, raising=False)
    monkeypatch.setattr(locate, "PLACES", (Path("pgbackstop.yaml"), tmp_path / "etc.yaml"))
    with pytest.raises(errors.ConfigError, match="There is no configuration"):
        locate.find(None)
    (tmp_path / "etc.yaml").touch()
    assert locate.find(None) == tmp_path / "etc.yaml"
    file.touch()
    assert locate.find(None) == Path("pgbackstop.yaml")
    monkeypatch.setenv(locate.ENVIRONMENT, "/named/by/environment")
    assert locate.find(None) == Path("/named/by/environment")
    assert locate.find(file) == file
