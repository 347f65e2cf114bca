"""The exporter as a process, over a catalog of real records."""

import gzip
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.openmetrics import parser as openmetrics

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_exporter import reference
from tests.integration.exporter.running import DEADLINE, Exporter, Scrape, write_config
from tests.support.factories import backup_folder, catalog, catalog_and_files, daily

DAILY = {"server": "main", "backup_type": "logical"}
LABELS = {"plan": "daily", "server": "main", "database": "shop", "backup_type": "logical"}


def configure(folder: Path, **changes: object) -> Path:
    """A configuration with one daily plan of a server that nobody needs to start."""
    document = {
        "servers": {"main": {"port": 1, "wal": {"enabled": False}}},
        "plans": {"daily": DAILY},
        "storages": {"local": {"kind": "folder", "path": folder}},
        **changes,
    }
    return write_config(folder / "pgbackstop.yaml", document)


def is_known(page: Scrape) -> bool:
    return bool(page.values("backup_last_success_time"))


@pytest.fixture
def newest() -> Backup:
    now = datetime.now(UTC)
    # Due times are handled until now, so that the plan is not late at some hours of the day.
    return daily(now - timedelta(hours=3), scheduled_for=now)


def test_the_four_metrics_of_the_specification_have_the_values_of_the_records(
    tmp_path: Path, newest: Backup
) -> None:
    older = daily(newest.started_at - timedelta(days=1), size_bytes=1, duration_seconds=1.0)
    catalog_and_files(tmp_path, older, newest)
    with Exporter(configure(tmp_path)) as exporter:
        page = exporter.until_page(is_known)
        disk = exporter.until_page(lambda page: bool(page.values("disk_free_bytes")))

    assert newest.finished_at is not None
    assert page.value("backup_last_success_time", **LABELS) == pytest.approx(newest.finished_at.timestamp())
    assert page.value("backup_size_bytes", **LABELS) == newest.size_bytes
    assert page.value("backup_duration_seconds", **LABELS) == newest.duration_seconds
    free, size = (disk.value(name, path=str(tmp_path)) for name in ("disk_free_bytes", "disk_size_bytes"))
    assert free is not None
    assert size is not None
    assert 0 < free <= size


def test_a_run_shows_from_its_start_to_its_end(tmp_path: Path) -> None:
    records = catalog(tmp_path)
    running = daily(status=Status.RUNNING, started_at=datetime.now(UTC))
    with Exporter(configure(tmp_path)) as exporter:
        assert exporter.until_page(is_known).value("backup_last_success_time", plan="daily") == 0.0
        records.put(running)
        exporter.until_page(lambda page: page.value("backup_running", **LABELS) == 1.0)
        records.put_progress(running.evolve(progress_bytes=4096))
        exporter.until_page(lambda page: page.value("backup_progress_bytes", **LABELS) == 4096.0)
        ended = running.evolve(
            status=Status.SUCCEEDED, finished_at=datetime.now(UTC), size_bytes=5, duration_seconds=2.0
        )
        records.put(ended)
        page = exporter.until_page(lambda page: page.value("backup_size_bytes", **LABELS) == 5.0)
        assert page.value("backup_running", **LABELS) == 0.0
        assert page.value("backup_runs_total", **LABELS) == 1.0
        records.put(ended.evolve(expired_at=datetime.now(UTC)))
        exporter.until_page(lambda page: page.value("backup_available", **LABELS) == 0.0)


def test_a_catalog_that_is_gone_keeps_its_times_and_says_so(tmp_path: Path, newest: Backup) -> None:
    catalog_and_files(tmp_path, newest)
    with Exporter(configure(tmp_path)) as exporter:
        before = exporter.until_page(is_known)
        (tmp_path / "catalog").rename(tmp_path / "elsewhere")
        gone = exporter.until_page(lambda page: page.value("backup_catalog_up") == 0.0)
        assert gone.value("backup_collector_success", collector="catalog") == 0.0
        assert gone.value("backup_last_success_time", **LABELS) == before.value(
            "backup_last_success_time", **LABELS
        )
        older, younger = (page.value("backup_age_seconds", **LABELS) for page in (gone, before))
        assert older is not None
        assert younger is not None
        assert older > younger
        (tmp_path / "catalog").mkdir()
        line = exporter.until(lambda: exporter.logged("collector failed", collector="catalog"))
        assert "is not there" in line["problem"]
        assert exporter.scrape().values("backup_last_success_time", plan="daily") != [0.0]
        (tmp_path / "catalog").rmdir()
        (tmp_path / "elsewhere").rename(tmp_path / "catalog")
        exporter.until_page(lambda page: page.value("backup_catalog_up") == 1.0)


def test_garbage_and_records_of_a_newer_version_are_passed_over_and_counted(
    tmp_path: Path, newest: Backup
) -> None:
    records, config = catalog_and_files(tmp_path, newest), configure(tmp_path)
    garbage = records.path(newest).with_name("20261122T020000Z-ffffff.json")
    garbage.write_text("{ no record")
    newer = records.path(newest).with_name("20261122T020000Z-eeeeee.json")
    newer.write_text('{"record_version": 99}')
    with Exporter(config) as exporter:
        exporter.until_page(lambda page: page.value("backup_catalog_up") == 1.0)  # said once all is read
        page = exporter.scrape()
        assert page.value("backup_catalog_unreadable_records") == 2.0
        assert page.value("backup_size_bytes", **LABELS) == newest.size_bytes
        told = [line["problem"] for line in exporter.lines if "passed over" in line.get("event", "")]
        assert any("newer pgbackstop" in problem for problem in told)
        garbage.unlink()
        newer.unlink()
        exporter.until_page(lambda page: page.value("backup_catalog_unreadable_records") == 0.0)


def test_a_catalog_that_may_not_be_read_is_told_and_no_error(tmp_path: Path) -> None:
    catalog_and_files(tmp_path, daily())
    (tmp_path / "catalog").chmod(0)
    # Root reads everything, unless it is without the capabilities to do so.
    no_override = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    prefix = no_override if os.geteuid() == 0 else ()
    config = configure(tmp_path)
    with Exporter(config, prefix=prefix) as exporter:
        page = exporter.until_page(lambda page: page.value("backup_catalog_up") == 0.0)
        assert page.value("backup_max_age_seconds", plan="daily") == 90000.0
        assert page.values("backup_last_success_time") == []
        assert (
            "Permission denied"
            in exporter.until(lambda: exporter.logged("collector failed", collector="catalog"))["problem"]
        )
        assert b"Permission denied" in exporter.get("/")


def test_a_removed_plan_disappears_and_a_broken_configuration_changes_nothing(
    tmp_path: Path, newest: Backup
) -> None:
    catalog_and_files(tmp_path, newest, daily(plan="other"))
    config = configure(tmp_path, plans={"daily": DAILY, "other": DAILY})
    with Exporter(config) as exporter:
        exporter.until_page(lambda page: bool(page.values("backup_size_bytes", plan="other")))
        config.write_text("servers: {main: {prot: 1}}")
        exporter.hang_up()
        page = exporter.until_page(lambda page: page.value("backup_config_last_reload_success") == 0.0)
        assert page.value("backup_size_bytes", **LABELS) == newest.size_bytes
        with pytest.raises(urllib.error.HTTPError) as refused:
            exporter.get("/-/reload", method="POST")
        assert refused.value.code == 500
        assert b"prot" in refused.value.read()
        refused.value.close()
        configure(tmp_path)
        exporter.hang_up()
        page = exporter.until_page(lambda page: page.value("backup_config_last_reload_success") == 1.0)
        page = exporter.until_page(lambda page: not page.values("backup_enabled", plan="other"))
        lines = [line for line in page.text.splitlines() if 'plan="other"' in line]
        assert [line.partition("{")[0] for line in lines] == ["backup_unconfigured_plan_bytes"]
        assert page.value("backup_size_bytes", **LABELS) == newest.size_bytes


def test_a_reload_over_http_watches_new_servers_and_disks(tmp_path: Path) -> None:
    catalog(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    with Exporter(configure(tmp_path)) as exporter:
        exporter.until_page(lambda page: page.value("backup_postgres_up", server="main") == 0.0)
        storages = {"local": {"kind": "folder", "path": other}}
        configure(
            tmp_path, storages=storages, catalog=tmp_path / "catalog", servers={"new": {"port": 1}}, plans={}
        )
        assert exporter.get("/-/reload", method="POST") == b"The configuration was read.\n"
        page = exporter.until_page(lambda page: page.value("backup_postgres_up", server="new") == 0.0)
        page = exporter.until_page(lambda page: bool(page.values("disk_free_bytes", path=str(other))))
        assert page.values("backup_postgres_up", server="main") == []
        assert page.values("disk_free_bytes", path=str(tmp_path)) == []
        assert page.values("disk_free_bytes", path=str(tmp_path / "catalog")) != []


def test_the_page_is_negotiated(tmp_path: Path, newest: Backup) -> None:
    catalog_and_files(tmp_path, newest)
    accept = {"Accept": "application/openmetrics-text;version=1.0.0", "Accept-Encoding": "gzip"}
    with Exporter(configure(tmp_path)) as exporter:
        exporter.until_page(is_known)
        with exporter.open("/metrics") as plain:
            assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert plain.headers["Content-Encoding"] is None
            assert b"_created" not in plain.read()
        with exporter.open("/metrics", headers=accept) as packed:
            assert packed.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
            assert packed.headers["Content-Encoding"] == "gzip"
            text = gzip.decompress(packed.read()).decode()
    assert text.endswith("# EOF\n")
    names = {family.name for family in openmetrics.text_string_to_metric_families(text)}  # type: ignore[no-untyped-call]
    assert "backup_runs" in names


def test_promtool_finds_nothing_to_say_about_a_live_page(tmp_path: Path, newest: Backup) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: Debian's package prometheus has it")
    catalog_and_files(tmp_path, newest)
    with Exporter(configure(tmp_path)) as exporter:
        page = exporter.until_page(is_known)
    answer = subprocess.run(
        [promtool, "check", "metrics"], input=page.text, capture_output=True, text=True, check=False
    )
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


def test_a_backup_that_somebody_deleted_does_not_count(tmp_path: Path, newest: Backup) -> None:
    older = daily(newest.started_at - timedelta(days=1))
    catalog_and_files(tmp_path, older, newest)
    folder = backup_folder(tmp_path, older)
    with Exporter(configure(tmp_path)) as exporter:
        page = exporter.until_page(lambda page: page.value("backup_available", **LABELS) == 2.0)
        assert page.value("backup_missing", **LABELS) == 0.0
        folder.rmdir()
        page = exporter.until_page(lambda page: page.value("backup_missing", **LABELS) == 1.0)
        assert page.value("backup_available", **LABELS) == 1.0
        assert "files of kept backups are gone or have another size: of 1" in exporter.get("/").decode()
        folder.mkdir()
        exporter.until_page(lambda page: page.value("backup_missing", **LABELS) == 0.0)


def test_people_see_how_each_plan_stands(tmp_path: Path, newest: Backup) -> None:
    catalog_and_files(tmp_path, newest)
    with Exporter(configure(tmp_path)) as exporter:
        exporter.until_page(is_known)
        page = exporter.get("/").decode()
        assert exporter.get("/-/healthy") == b"The exporter is healthy.\n"
        assert exporter.get("/-/ready") == b"The exporter is ready.\n"
        assert exporter.open("/").headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "<h1>Backups: " in page  # of the plan, and of its server, which nobody started
    assert "<td><b>ok</b></td><td data-c='Plan'>daily</td>" in page
    assert "<td data-c='Last success'>3h00m ago (limit 25h)</td><td data-c='Size'>1.0 MB</td>" in page


def test_another_path_and_another_port(tmp_path: Path) -> None:
    with Exporter(configure(tmp_path), "--web.telemetry-path=/backups") as exporter:
        assert b"backup_exporter_build_info" in exporter.get("/backups")
        with pytest.raises(urllib.error.HTTPError) as missing:
            exporter.get("/metrics")
        assert missing.value.code == 404
        missing.value.close()


def test_sigterm_ends_it_well(tmp_path: Path) -> None:
    with Exporter(configure(tmp_path)) as exporter:
        exporter.process.terminate()
        assert exporter.process.wait(DEADLINE) == 0


def ended(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pgbackstop_exporter.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE)


def test_the_contract_is_printed() -> None:
    assert ended("metrics").stdout == reference.as_text()


def test_a_broken_configuration_is_one_sentence_and_exit_2(tmp_path: Path) -> None:
    config = tmp_path / "pgbackstop.yaml"
    config.write_text("servers: {main: {prot: 1}}\nstorages: {local: {path: /tmp}}\n")
    answer = ended(f"--config.file={config}")
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"pgbackstop-exporter: {config}:1: servers.main.prot: unknown key")
    assert "Traceback" not in answer.stderr


def test_an_address_that_is_taken_or_none_is_told(tmp_path: Path) -> None:
    config = configure(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"--web.listen-address=127.0.0.1:{taken.getsockname()[1]}"
        answer = ended(f"--config.file={config}", address)
    assert answer.returncode == 1
    assert "Cannot listen on" in answer.stderr
    assert ended(f"--config.file={config}", "--web.listen-address=nowhere").returncode == 2
