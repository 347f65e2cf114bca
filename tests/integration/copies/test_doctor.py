"""The doctor asks storages that are remote, too."""

from pathlib import Path

from pgbackstop_runner.doctor import examine
from pgbackstop_runner.doctor.findings import Finding, Packages
from pgbackstop_runner.storage import identity
from pgbackstop_runner.workspace import Workspace
from tests.support import ports
from tests.support.sftp_server import SftpServer
from tests.unit.runner import places


def offsite(opened: Workspace) -> Finding:
    [found] = [each for each in examine.configured(opened, Packages()) if each.what == "storage offsite"]
    return found


def test_one_that_is_reached_is_told_from_one_that_is_not(tmp_path: Path, sftp: SftpServer) -> None:
    nobody = {"host": "127.0.0.1", "port": ports.free()}
    opened = places.workspace(
        tmp_path, servers={"main": nobody}, storages={"offsite": sftp.storage("doctor")}
    )
    assert offsite(opened).state == "missing"
    identity.create(opened, "offsite", replace=False)
    assert offsite(opened).state == "ok"
    away = sftp.storage("doctor", port=ports.free())
    storages = {**opened.config.storages, "offsite": away}
    lost = offsite(
        Workspace(file=opened.file, config=opened.config.evolve(storages=storages), catalog=opened.catalog)
    )
    assert lost.state == "missing"
    assert "127.0.0.1" in lost.found
