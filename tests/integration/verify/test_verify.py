"""`pgbackstop verify` as a person uses it: which backups it reads, what it says, what is on record then."""

import contextlib
import errno
import itertools
import json
import os
import shutil
from pathlib import Path

import psutil
import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store import layout
from pgbackstop_runner.verify import base_backup, reconcile, run, targets
from tests.integration.exporter.running import Exporter
from tests.integration.verify import damage
from tests.integration.verify.conftest import CopyOf
from tests.support import binaries
from tests.support.backups import Site, clients, end, gone, plan, sentence, until, waiting_client
from tests.support.databases import Database
from tests.support.fixtures import MakeServer
from tests.support.servers import Server

AWKWARD = """
create schema "Köln (alt)";
create table "Köln (alt)"."a.b ""c""
d" (n int, "x FROM stdin;" text);
insert into "Köln (alt)"."a.b ""c""
d" select n, E'\\\\.\\nCOPY public.x (a) FROM stdin;\\n' from generate_series(1, 70) n;
create table no_columns ();
insert into no_columns select from generate_series(1, 5);
create table empty (n int);
create table nothing_but_breaks (t text);
insert into nothing_but_breaks select E'\\n\\n\\\\.\\n' from generate_series(1, 1000);
create table parts (n int) partition by range (n);
create table parts_low partition of parts for values from (0) to (100);
create table parts_high partition of parts for values from (100) to (200);
insert into parts select generate_series(0, 149);
create unlogged table forgetful as select generate_series(1, 9) n;
create extension pgcrypto;
create function copies() returns text language sql as $$
select '
COPY public.orders (id) FROM stdin;
1
\\.
'$$;
select lo_from_bytea(0, decode(repeat('5c2e0a', 100000), 'hex'));
create materialized view summed as select count(*) from parts;
create table wide as select repeat(md5(n::text), 40000) t from generate_series(1, 6) n;
"""


def verified(site: Site, *words: str) -> list[dict[str, object]]:
    """What the command found, when everything passed."""
    done = site.run("verify", *words, "--json")
    assert done.returncode == 0, (done.stdout, done.stderr)
    found: list[dict[str, object]] = json.loads(done.stdout)
    assert {proof["status"] for proof in found} == {"succeeded"}
    return found


@pytest.mark.parametrize("format_", ["custom", "directory", "plain"])
def test_awkward_tables_pass(edge_server: Server, database: Database, tmp_path: Path, format_: str) -> None:
    """Each table's rows are counted in the dump's text: none of it may be taken for something else."""
    database.execute(AWKWARD)
    plans = {"p": plan(databases=[database.name], format=format_)}
    site = Site(folder=tmp_path, server=edge_server, plans=plans)
    (made,) = site.make("p")
    assert made.status is Status.SUCCEEDED, made.message
    assert made.verified_at is not None
    (proof,) = site.proofs()
    assert (proof.proof, proof.backup, proof.status) == ("verify", made.id, Status.SUCCEEDED)
    assert proof.read_bytes == made.size_bytes
    assert made.row_counts is not None
    details = {check.name: check.detail for check in proof.checks}
    total = sum(made.row_counts.values())
    assert f"{total:,} rows in {len(made.row_counts)} tables as counted" in details["dump"]
    assert made.verification == details["dump"]


def test_names_in_another_encoding(pg17: Server, tmp_path: Path) -> None:
    pg17.execute("create database latin encoding latin1 lc_collate 'C' lc_ctype 'C' template template0")
    try:
        pg17.execute('create table "Größe" as select generate_series(1, 7) n', "latin")
        site = Site(folder=tmp_path, server=pg17, plans={"p": plan(databases=["latin"])})
        (made,) = site.make("p")
        assert made.verified_at is not None, made.message
    finally:
        pg17.execute("drop database latin with (force)")


def test_which_backups_are_read(pg17: Server, database: Database, tmp_path: Path) -> None:
    logical = plan(databases=[database.name, "postgres"], verify=False)
    folder = tmp_path / 'a "path" of $(shells)'  # pg_verifybackup would start pg_waldump by one
    folder.mkdir()
    site = Site(folder=folder, server=pg17, plans={"l": logical, "w": plan("physical", verify=False)})
    old, new = site.make("l"), site.make("l")
    (whole,) = site.make("w")
    assert site.proofs() == []
    newest = {each.id for each in (*new, whole)}
    assert {proof["backup"] for proof in verified(site)} == newest
    assert {proof["backup"] for proof in verified(site, "l")} == {each.id for each in new}
    assert {proof["backup"] for proof in verified(site, "l", "--all")} == {each.id for each in (*old, *new)}
    assert [proof["backup"] for proof in verified(site, old[0].id)] == [old[0].id]
    shown = site.run("verify", "w")
    assert whole.id in shown.stdout
    assert "pg_verifybackup" in shown.stdout
    assert "verify" in site.run("show", whole.id).stdout.partition("Proofs")[2]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("nowhere",), 7, "There is no plan and no backup 'nowhere'"),
        (("p",), 7, "Plan p has no good backup"),
        ((), 7, "There is no good backup"),
    ],
)
def test_nothing_to_verify(
    pg17: Server, tmp_path: Path, words: tuple[str, ...], code: int, says: str
) -> None:
    """Success would let a script believe that something was proven."""
    site = Site(folder=tmp_path, server=pg17, plans={"p": plan()})
    done = site.run("verify", *words)
    assert done.returncode == code
    assert says in sentence(done)


def test_damage_is_told_and_mended(pg17: Server, copy_of: CopyOf, tmp_path: Path) -> None:
    site, made = copy_of(pg17, "physical")
    kept = tmp_path / "kept"
    path = site.path(made) / "base.tar.zst"
    shutil.copyfile(path, kept)
    damage.flip(path)
    done = site.run("verify")
    assert done.returncode == errors.Corrupt.exit_code
    assert f"1 of 1 backups did not pass ({made.id})" in sentence(done)
    assert site.newest().status is Status.FAILED
    assert site.run("verify").returncode == errors.NotFound.exit_code
    # Somebody puts the file back: asked for by its id, it is read again, and is a good backup again.
    shutil.copyfile(kept, path)
    verified(site, made.id)
    record = site.newest()
    assert (record.status, record.reason, record.message) == (Status.SUCCEEDED, None, "")
    assert record.verified_at is not None


def test_a_file_system_without_links(
    edge_server: Server, copy_of: CopyOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As SMB and exFAT are; what the tests run on has links."""

    monkeypatch.setattr(os, "link", refuse_link)
    site, made = copy_of(edge_server, "physical")
    (outcome,) = run.plan(site.workspace, "p", [made], whole=True)
    assert outcome.proof.status is Status.SUCCEEDED, outcome.proof.message


def refuse_link(*_: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


def test_a_disk_is_not_filled_where_a_file_system_without_links_needs_copies(
    edge_server: Server, copy_of: CopyOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", refuse_link)
    free = itertools.chain([10**12], itertools.repeat(10))  # it fills once the staging folder is made
    monkeypatch.setattr(base_backup, "free_bytes", lambda _folder: next(free))
    site, made = copy_of(edge_server, "physical")
    (outcome,) = run.plan(site.workspace, "p", [made], whole=True)
    assert outcome.proof.reason is Reason.SPACE
    assert "There is no room" in outcome.proof.message
    assert site.newest().status is Status.SUCCEEDED


def test_a_disk_that_is_not_mounted_condemns_nothing(pg17: Server, copy_of: CopyOf) -> None:
    site, made = copy_of(pg17, "physical")
    for name in ("backups", layout.STORAGE_MARK):
        (site.store / name).rename(site.store / f"{name}.away")
    done = site.run("verify")
    assert done.returncode == 1
    assert "The storage local is not there" in sentence(done)
    assert site.newest() == made.evolve(verification=site.newest().verification)
    assert site.proofs()[0].reason is Reason.STORAGE


def test_checksums_for_people_condemn_nothing(pg17: Server, copy_of: CopyOf) -> None:
    site, made = copy_of(pg17, "physical")
    (site.path(made) / "SHA256SUMS").unlink()
    (outcome,) = run.plan(site.workspace, "p", [made], whole=True)
    assert "SHA256SUMS is not there" in outcome.proof.message
    assert (outcome.proof.status, outcome.backup.status) == (Status.FAILED, Status.SUCCEEDED)


def test_one_at_a_time(pg17: Server, copy_of: CopyOf) -> None:
    site, _ = copy_of(pg17, "physical")
    with site.state.held(reconcile.verify_lock("p"), "A verify of plan p"):
        done = site.run("verify", "p")
    assert done.returncode == errors.Busy.exit_code
    assert "A verify of plan p is already running" in sentence(done)
    assert site.proofs() == []


def test_a_tool_that_hangs_is_ended(pg17: Server, copy_of: CopyOf) -> None:
    """As when the disk does not answer: it says nothing of the backup, and must not be waited for."""
    site, made = copy_of(pg17, "physical")
    site.plans = {"p": plan("physical", verify=False, stall_timeout="1s", first_byte_timeout="1s")}
    _let_it_stop_itself(site)
    done = site.run("verify", made.id)
    assert done.returncode == 1, done.stderr
    assert "pg_verifybackup read no byte for 1.0s and was ended. Look at the disk" in done.stderr
    (proof,) = site.proofs()
    assert (proof.status, proof.reason) == (Status.FAILED, Reason.STALLED)
    assert site.newest().status is Status.SUCCEEDED
    assert site.leftovers() == []


def _let_it_stop_itself(site: Site) -> None:
    """pg_verifybackup that is suspended before it reads anything."""
    programs = site.server.programs
    real = programs.tool("pg_verifybackup")
    script = f'case "$*" in *--version*) ;; *) kill -STOP $$ ;; esac\nexec {real} "$@"'
    folder = binaries.with_script(programs, site.folder / "bin", "pg_verifybackup", script)
    site.server_settings = {"bin_dir": str(folder)}
    site.write()


def test_killed_it_is_closed_by_the_next(pg17: Server, copy_of: CopyOf) -> None:
    site, made = copy_of(pg17, "physical")
    _let_it_stop_itself(site)
    stopped = None
    with site.start("verify", made.id) as runner:
        try:
            stopped = waiting_client(runner, "pg_verifybackup")
            stopped.suspend()
            family = clients(runner.pid)
            runner.kill()
            runner.communicate()
        finally:
            if stopped is not None:
                with contextlib.suppress(psutil.NoSuchProcess):  # in a jail it ends with the runner
                    stopped.resume()
                end(stopped)
    until(lambda: gone(family), "the end of its tools")
    (running,) = site.proofs()
    assert running.status is Status.RUNNING
    assert site.newest() == made
    assert site.leftovers() != []
    site.server_settings = {}
    site.write()
    verified(site, made.id)
    closed, proof = sorted(site.proofs(), key=lambda each: each.id)
    assert (closed.id, closed.status, closed.reason) == (running.id, Status.INTERRUPTED, Reason.INTERRUPTED)
    assert closed.finished_at is not None
    assert proof.status is Status.SUCCEEDED
    assert site.leftovers() == []


def test_a_chain_is_read_from_its_full_backup_on(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server(settings={"summarize_wal": "on"})
    wanted = plan("physical", incremental={"enabled": True}, verify=False)
    site = Site(folder=tmp_path, server=server, plans={"p": wanted})
    full, first, second = (site.make("p")[0] for _ in range(3))
    assert second.parent == first.id
    found = verified(site)
    assert [proof["backup"] for proof in found] == [full.id, first.id, second.id]

    path = site.path(full) / "base.tar.zst"
    shutil.copyfile(path, tmp_path / "kept")
    damage.flip(path)
    done = site.run("verify", second.id, "--json")
    assert done.returncode == errors.Corrupt.exit_code
    failed = {proof["backup"]: proof["message"] for proof in json.loads(done.stdout)}
    assert "SHA-256 of base.tar.zst" in failed[full.id]
    assert f"Its parent {full.id} is not there any more, or is no good backup" in failed[first.id]
    assert f"Its parent {first.id} is not there" in failed[second.id]
    assert {each.status for each in site.backups()} == {Status.FAILED}

    shutil.copyfile(tmp_path / "kept", path)
    verified(site, second.id)
    assert {each.status for each in site.backups()} == {Status.SUCCEEDED}


def test_a_parent_that_is_gone(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server(18, settings={"summarize_wal": "on"})
    wanted = plan("physical", incremental={"enabled": True}, verify=False)
    site = Site(folder=tmp_path, server=server, plans={"p": wanted})
    full, second = (site.make("p")[0] for _ in range(2))
    shutil.rmtree(site.path(full))
    assert _problem(site, second) == f"Its parent {full.id} is not whole: backup_manifest is missing."
    site.catalog.remove(full)
    site.catalog.put(second)
    assert _problem(site, second) == f"Its parent {full.id} is not there any more, or is no good backup."


def _problem(site: Site, backup: Backup) -> str:
    """What is wrong with one backup, its parents not looked into."""
    (outcome,) = run.plan(site.workspace, "p", [backup], whole=False)
    assert outcome.backup.status is Status.FAILED
    return outcome.proof.message.partition(" Make")[0]


def test_the_exporter_shows_it(pg17: Server, copy_of: CopyOf) -> None:
    site, _ = copy_of(pg17, "physical")
    labels = {"plan": "p", "backup_type": "physical"}
    with Exporter(site.file) as exporter:
        page = exporter.until_page(lambda page: bool(page.values("backup_last_success_time")))
        assert page.value("backup_verified_timestamp_seconds", **labels) == 0
        verified(site, "p")
        moment = site.newest().verified_at
        assert moment is not None
        exporter.until_page(
            lambda page: (
                (page.value("backup_verified_timestamp_seconds", **labels) or 0) >= moment.timestamp()
            )
        )


def test_targets_of_a_plan_that_is_not_configured_any_more(pg17: Server, copy_of: CopyOf) -> None:
    site, made = copy_of(pg17, "physical")
    site.plans = {"other": plan()}
    site.write()
    assert targets.select(site.workspace, "p", every=False) == {"p": (made,)}
    assert [proof["backup"] for proof in verified(site, "p")] == [made.id]
