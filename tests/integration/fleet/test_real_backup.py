"""Real backups of a real PostgreSQL by workers, one of which dies."""

from pgbackstop_catalog.records.attempt import Status
from tests.integration.daemon.conftest import until
from tests.integration.fleet.conftest import Fleet
from tests.support import backups
from tests.support.databases import Database


def test_a_due_plan_is_backed_up(fleet: Fleet, database: Database) -> None:
    fleet.configure_due("shop", databases=[database.name], servers={"main": backups.reached(database.server)})
    host = fleet.start_real("a")
    until(lambda: fleet.succeeded("shop"), "a success")
    until(lambda: fleet.states("shop") == ["succeeded"], "the due time is done")
    assert host.stop() == 0
    (record,) = fleet.records("shop")
    assert (record.trigger, record.database) == ("catch-up", database.name)
    assert record.location is not None
    assert (fleet.folder / "store" / record.location / "backup.json").exists()


def test_a_backup_whose_host_dies_is_made_by_another(fleet: Fleet, database: Database) -> None:
    # Nobody may lock its tables meanwhile, so the first attempt waits until its host dies.
    fleet.configure_due("shop", databases=[database.name], servers={"main": backups.reached(database.server)})
    with database.connect() as locking:
        locking.execute("begin; lock table customers in access exclusive mode")
        dying = fleet.start("a", "--real")
        first = fleet.running("shop")
        dying.kill()
    fleet.start("b", "--real", "--reaped-after", "8")
    until(lambda: fleet.succeeded("shop"), "a success")
    until(lambda: fleet.states("shop") == ["succeeded"], "the due time is done")
    again, interrupted = fleet.records("shop")
    assert (interrupted.id, interrupted.status) == (first.id, Status.INTERRUPTED)
    assert again.scheduled_for == interrupted.scheduled_for
    kept = fleet.folder / "store" / "backups" / "logical" / "main" / database.name
    assert [each.name for each in kept.iterdir()] == [again.id]


def test_a_configuration_without_workers_is_refused(fleet: Fleet) -> None:
    fleet.configure({"shop": {}}, workers={"enabled": False})
    answer = fleet.refused("a")
    assert answer.returncode == 2
    assert "workers: enabled: true" in answer.stderr
    fleet.configure({"shop": {}})
    for arguments, words in ((("--queues", "a b"), "names no queues"), (("--drain", "soon"), "no duration")):
        answer = fleet.refused("a", *arguments)
        assert (answer.returncode, words in answer.stderr) == (2, True), answer.stderr
