"""Certificates of an authority that the exporter trusts, and of a stranger."""

import pytest

from tests.support.certificates import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    found = Authority(tmp_path_factory.mktemp("authority"))
    found.issue("server")
    found.issue("client", "prometheus.example", "10.0.0.7")
    return found


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    found = Authority(tmp_path_factory.mktemp("stranger"))
    found.issue("client", "prometheus.example")
    return found
