"""How many connections there may be, by what the system lets us open."""

import resource

import pytest

from pgbackstop_exporter.web import connections


@pytest.mark.parametrize(
    ("files", "places"), [(1024, 256), (100, 50), (resource.RLIM_INFINITY, 256), (2**30, 256)]
)
def test_how_many_there_may_be(monkeypatch: pytest.MonkeyPatch, files: int, places: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (files, files))
    assert connections.most() == places
