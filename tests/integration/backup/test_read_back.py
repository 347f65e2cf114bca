"""A physical backup that went bad after it was stored is found by the read-back, and is a failed one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pgbackstop_catalog import codec
from pgbackstop_catalog.records import Backup, Reason, Status
from pgbackstop_runner import readback
from tests.support.backups import Site, plan
from tests.support.servers import Server


def _flip(folder: Path) -> None:
    path = next(folder.glob("base.tar*"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def _cut(folder: Path) -> None:
    path = next(folder.glob("base.tar*"))
    path.write_bytes(path.read_bytes()[:-1000])


def _manifest(folder: Path) -> None:
    path = folder / "backup_manifest"
    path.write_text(path.read_text().replace('"Size": 3,', '"Size": 4,', 1))


@pytest.mark.parametrize("method", ["zstd", "gzip"])
@pytest.mark.parametrize("damage", [_flip, _cut, _manifest])
def test_damaged(server: Server, tmp_path: Path, method: str, damage: Callable[[Path], None]) -> None:
    settings = {"compression": {"method": method}}
    site = Site(folder=tmp_path, server=server, plans={"p": plan("physical", verify=False, **settings)})
    (good,) = site.make("p")
    site.plans = {"p": plan("physical", **settings)}
    site.write()
    damage(site.path(good))
    found = readback.after(site.workspace, good)
    assert (found.status, found.reason) == (Status.FAILED, Reason.CORRUPT), found.verification
    assert "bug" not in found.message
    assert site.newest("p").status is Status.FAILED
    beside = codec.decode(Backup, (site.path(good) / "backup.json").read_bytes(), where="")
    assert beside.status is Status.FAILED
    assert [proof.status for proof in site.proofs()] == [Status.FAILED]
    assert site.leftovers() == []
