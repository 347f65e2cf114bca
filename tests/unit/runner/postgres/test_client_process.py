"""Running tools: passwords, exit statuses, the watchdog. The tools are small programs of the system."""

import contextlib
import os
import threading
import time
from pathlib import Path

import psutil
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.postgres import client_process
from tests.support.backups import PATIENCE, gone, until
from tests.support.servers import Server

letters = st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"])


@given(password=st.text(letters, min_size=1, max_size=20) | st.text(r":\'# *", min_size=1, max_size=8))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_password_reaches_libpq(pg17: Server, password: str) -> None:
    """Escaped for the password file as libpq itself reads it, by psql on a real server."""
    name = f"role_{os.getpid()}"
    with pg17.connect() as connection:
        connection.execute(f"DROP ROLE IF EXISTS {name}")
        literal = psycopg.sql.Literal(password)
        connection.execute(psycopg.sql.SQL(f"CREATE ROLE {name} LOGIN PASSWORD {{}}").format(literal))
    target = f"host=127.0.0.1 port={pg17.port} user={name} dbname=postgres"
    argv = [str(pg17.programs.tool("psql")), "--no-password", "-X", "-c", "select 1", target]
    client_process.run("psql", argv, password=password)


def test_the_password_is_in_no_folder_and_no_environment() -> None:
    script = 'ls -l "$PGPASSFILE" >&2; cat "$PGPASSFILE" >&2; env >&2'
    tail = client_process.run("sh", ["/bin/sh", "-c", script], password="s3cret")
    first, second, *rest = tail.splitlines()
    assert "memfd:pgpass (deleted)" in first
    assert second == "*:*:*:*:s3cret"
    assert "s3cret" not in "".join(rest)


def test_a_clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "elsewhere")
    monkeypatch.setenv("THE_PASSWORD", "s3cret")
    shown = client_process.listing("env", ["/usr/bin/env"], seconds=PATIENCE)
    assert "LC_ALL=C" in shown
    assert "elsewhere" not in shown
    assert "s3cret" not in shown


def test_an_exit_status_counts() -> None:
    with pytest.raises(AttemptFailed, match=r"sh ended with exit status 3: one\ntwo") as caught:
        client_process.run("sh", ["/bin/sh", "-c", "echo one >&2; echo two >&2; exit 3"])
    assert caught.value.reason is Reason.TOOL
    with pytest.raises(AttemptFailed, match="sh was ended by signal 9: it said nothing"):
        client_process.run("sh", ["/bin/sh", "-c", "kill -9 $$"])
    with pytest.raises(AttemptFailed, match="exit status 4: words"):
        client_process.listing("sh", ["/bin/sh", "-c", "echo words >&2; exit 4"], seconds=PATIENCE)


def test_what_cannot_be_started(tmp_path: Path) -> None:
    argv = [str(tmp_path / "none")]
    with pytest.raises(AttemptFailed, match="none cannot be started: No such file") as caught:
        client_process.run("none", argv)
    assert caught.value.reason is Reason.CLIENT
    with pytest.raises(AttemptFailed, match="none cannot be started: No such file"):
        client_process.listing("none", argv, seconds=PATIENCE)


def test_a_listing_has_an_end() -> None:
    with pytest.raises(AttemptFailed, match="was ended") as caught:
        client_process.listing("sleep", ["/bin/sleep", "60"], seconds=0.2)
    assert caught.value.reason is Reason.TIMEOUT


def test_bytes_that_are_no_text() -> None:
    assert client_process.listing("printf", ["/usr/bin/printf", r"M\374ller"], seconds=PATIENCE) == "M�ller"


@pytest.mark.parametrize(
    ("limits", "reason", "key"),
    [
        (client_process.Limits(first_byte=0.2), Reason.STALLED, "first_byte_timeout"),
        (client_process.Limits(duration=0.2), Reason.TIMEOUT, "max_duration"),
    ],
)
def test_the_watchdog(limits: client_process.Limits, reason: Reason, key: str) -> None:
    with pytest.raises(AttemptFailed, match=key) as caught:
        client_process.run("sleep", ["/bin/sleep", "60"], limits=limits)
    assert caught.value.reason is reason


def test_after_the_first_byte_the_other_limit_counts() -> None:
    with client_process.start("sleep", ["/bin/sleep", "60"], limits=client_process.Limits(stall=0.2)) as tool:
        tool.feed(1)
        with pytest.raises(AttemptFailed, match="stall_timeout"):
            tool.finish()


def test_a_silent_tool_that_reads_no_more_is_ended() -> None:
    """Also one that is suspended, which takes no polite signal."""
    with pytest.raises(AttemptFailed, match=r"sh read no byte for .*; raise stall_timeout") as caught:
        client_process.run(
            "sh", ["/bin/sh", "-c", "kill -STOP $$"], limits=client_process.Limits(stall=0.2), silent=True
        )
    assert caught.value.reason is Reason.STALLED


def test_what_a_child_of_a_silent_tool_reads_is_progress() -> None:
    script = "head -c 300000 /dev/zero > /dev/null; sleep 60"
    with client_process.start("sh", ["/bin/sh", "-c", script], silent=True) as tool:
        until(lambda: tool._bytes >= 300_000, "what its child has read")
        tool.kill()


def test_what_a_tool_leaves_behind_is_ended() -> None:
    """And does not hold up its end: the child has the tool's standard error open."""
    lines: list[str] = []
    with (
        pytest.raises(AttemptFailed, match="exit status 1"),
        client_process.start(
            "sh", ["/bin/sh", "-c", "sleep 60 & echo $! >&2; exit 1"], on_line=lines.append
        ) as tool,
    ):
        tool.finish()
    until(lambda: not psutil.pid_exists(int(lines[0])) or gone([psutil.Process(int(lines[0]))]), "its death")


def test_leaving_by_an_exception_ends_the_tool() -> None:
    started: list[psutil.Process] = []

    def run() -> None:
        with client_process.start("sleep", ["/bin/sleep", "60"]) as tool:
            started.append(psutil.Process(tool.process.pid))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run()
    assert gone(started)


def test_what_it_said_last_is_read_before_its_pipe_is_closed() -> None:
    lines: list[str] = []
    reading = threading.Event()

    def slowly(line: str) -> None:
        reading.set()
        time.sleep(0.2)
        lines.append(line)

    script = "printf 'first\\nsecond\\n' >&2; exec sleep 60"
    with (
        contextlib.suppress(ZeroDivisionError),
        client_process.start("sh", ["/bin/sh", "-c", script], on_line=slowly),
    ):
        assert reading.wait(PATIENCE)
        raise ZeroDivisionError
    assert lines == ["first", "second"]


def test_what_left_its_group_and_holds_its_pipe_is_not_waited_for() -> None:
    lines: list[str] = []
    script = "setsid sleep 600 & echo $! >&2; exec sleep 60"
    with (
        contextlib.suppress(ZeroDivisionError),
        client_process.start("sh", ["/bin/sh", "-c", script], on_line=lines.append),
    ):
        until(lambda: lines, "the number of what left")
        left = psutil.Process(int(lines[0]))
        until(lambda: os.getsid(left.pid) == left.pid, "a session of its own")
        raise ZeroDivisionError
    assert left.is_running()
    left.kill()
    until(lambda: "sh-read" not in {each.name for each in threading.enumerate()}, "the end of its words")


@pytest.mark.parametrize(
    ("target", "required"),
    [
        ("host=db.example.com sslmode=prefer", "scram-sha-256,md5,gss,sspi,none"),
        ("host=127.0.0.1 sslmode=prefer", "unset"),
        ("host=db.example.com sslmode=verify-full", "unset"),
    ],
)
def test_a_tool_tells_no_password_in_clear_text_to_who_is_not_verified(target: str, required: str) -> None:
    script = ["/bin/sh", "-c", 'echo "<${PGREQUIREAUTH-unset}>" >&2', "sh", f"--dbname={target}"]
    assert client_process.run("sh", script, password="secret") == f"<{required}>"
