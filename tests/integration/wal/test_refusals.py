"""What a receiver refuses, and what a server refuses it, in one sentence with what to do."""

import pytest

from tests.integration.wal.conftest import MakeRig
from tests.support.fixtures import MakeServer
from tests.support.servers import Server

# The smallest that PostgreSQL takes: WAL that nobody needs is gone with the next checkpoints.
FORGETFUL = {"min_wal_size": "32MB", "max_wal_size": "32MB", "wal_keep_size": "0"}


def test_another_cluster_is_refused(
    make_rig: MakeRig, private_server: Server, make_server: MakeServer
) -> None:
    receiver = make_rig(private_server)
    receiver.start()
    receiver.streaming()
    receiver.arrived(receiver.fill())
    receiver.stop()
    names = receiver.segments()
    other = make_server()
    receiver.drop_slot()
    receiver.server = other
    receiver.start()
    state = receiver.until("it is refused", lambda state: state.status == "down" and state.message)
    assert "holds WAL of system" in state.message
    assert "Move the archive away" in state.message
    assert receiver.segments() == names


def test_refusals_say_what_to_do(make_rig: MakeRig, private_server: Server) -> None:
    receiver = make_rig(private_server)
    wrong = receiver.folder / "wrong"
    wrong.write_text("nonsense\n")
    wrong.chmod(0o600)
    receiver.password_file = wrong
    receiver.start()
    state = receiver.until("it is refused", lambda state: state.status == "down" and state.message)
    assert "refuses the password of role postgres" in state.message
    assert "password_file" in state.message
    receiver.stop()

    private_server.execute("create role plain login password 'secret'")
    receiver.user = "plain"
    wrong.write_text("secret\n")
    receiver.start()
    state = receiver.until("it is refused", lambda state: "REPLICATION" in state.message)
    assert "ALTER ROLE" in state.message
    private_server.execute("alter role plain replication")
    receiver.streaming()
    receiver.arrived(receiver.fill())
    state = receiver.until("it streams blind", lambda state: "pg_monitor" in state.message)
    assert state.status == "streaming"
    private_server.execute("grant pg_monitor to plain")
    receiver.until("it sees", lambda state: state.status == "streaming" and not state.message)
    receiver.stop()

    hba = private_server.data / "pg_hba.conf"
    allowed = hba.read_text()
    hba.write_text("\n".join(line for line in allowed.splitlines() if "replication" not in line) + "\n")
    private_server.execute("select pg_reload_conf()")
    receiver.start()
    state = receiver.until("it is refused", lambda state: "pg_hba.conf" in state.message)
    assert "for replication" in state.message
    hba.write_text(allowed)
    private_server.execute("select pg_reload_conf()")
    receiver.streaming()
    log = receiver.errors.read_text()
    assert "Traceback" not in log
    assert "nonsense" not in log


@pytest.mark.parametrize(
    ("setting", "words"),
    [("max_replication_slots", "max_replication_slots"), ("max_wal_senders", "WAL senders")],
)
def test_limits_of_the_server_are_named(
    make_rig: MakeRig, make_server: MakeServer, setting: str, words: str
) -> None:
    server = make_server(settings={setting: "1"})
    receiver = make_rig(server)
    other = make_rig(server, slot="other")
    if setting == "max_replication_slots":
        server.execute("select pg_create_physical_replication_slot('taken')")
    else:
        other.start()
        other.streaming()
    receiver.start()
    state = receiver.until("it is refused", lambda state: words in state.message)
    assert "Raise" in state.message
    if setting == "max_replication_slots":
        server.execute("select pg_drop_replication_slot('taken')")
    else:
        other.stop()
    receiver.arrived(receiver.streaming().last_segment or receiver.fill())
