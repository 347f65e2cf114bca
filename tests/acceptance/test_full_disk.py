"""A disk that is full, or becomes full, or cannot be written: fault 19, on the program as a process."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_catalog.records.attempt import Reason
from tests.acceptance.bulk import failed
from tests.support import storages
from tests.support.backups import PATIENCE, Site, plan, sentence, waiting_client
from tests.support.databases import Database


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.root  # mounts
def test_the_forecast_refuses(big: Database, tmp_path: Path, small_disk: Path) -> None:
    """Fault 19: what will not fit is refused before it begins."""
    (small_disk / "ballast").write_bytes(bytes(50_000_000))
    site = _on(small_disk, big, tmp_path, {"p": plan(databases=[big.name])})
    done = site.run("backup", "p")
    assert done.returncode == 5
    assert "is too full: about" in sentence(done)
    assert "Make room" in sentence(done)
    made = failed(site, "p", Reason.SPACE)
    assert [step.name for step in made.steps] == ["validate"]


@pytest.mark.root  # mounts
@pytest.mark.parametrize("name", ["custom", "plain", "directory", "physical"])
def test_the_disk_is_full_all_the_same(big: Database, tmp_path: Path, small_disk: Path, name: str) -> None:
    """Fault 19: the forecast was wrong. The bytes go, and the catalog on the same disk has its record."""
    # So slow that it is not over before the disk is full; a dump waits for a lock besides.
    chosen = (
        plan("physical", max_rate="1MB") if name == "physical" else plan(databases=[big.name], format=name)
    )
    site = _on(small_disk, big, tmp_path, {"p": chosen})
    with site.start("backup", "p") as runner:
        with big.connect() as holder:
            holder.execute("BEGIN; LOCK TABLE bulk IN ACCESS EXCLUSIVE MODE")
            group = waiting_client(runner, "pg_basebackup" if name == "physical" else "pg_dump").pid
            os.killpg(group, signal.SIGSTOP)
            try:
                status = os.statvfs(small_disk)
                (small_disk / "ballast").write_bytes(bytes(status.f_bavail * status.f_frsize - 3_000_000))
            finally:
                os.killpg(group, signal.SIGCONT)
        _, errors = runner.communicate(timeout=PATIENCE)
    assert runner.returncode == 5, errors
    made = failed(site, "p", Reason.SPACE)
    assert "Make room" in made.message
    (small_disk / "ballast").unlink()
    assert site.leftovers() == []


def _on(disk: Path, database: Database, folder: Path, plans: dict[str, dict[str, object]]) -> Site:
    return Site(
        folder=folder / "site",
        server=database.server,
        plans=plans,
        storage_settings={"path": str(disk / "store")},
    )


@pytest.mark.root  # mounts
def test_the_store_is_read_only(big: Database, tmp_path: Path, small_disk: Path) -> None:
    site = _on(small_disk, big, tmp_path, {"p": plan(databases=[big.name])})
    site.catalog_folder = tmp_path / "catalog"
    site.write()
    storages.create_for(site.file)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    done = site.run("backup", "p")
    assert done.returncode == 5
    assert "cannot be written" in sentence(done)
    assert "Read-only file system" in sentence(done)
    assert site.newest("p").reason is Reason.STORAGE
