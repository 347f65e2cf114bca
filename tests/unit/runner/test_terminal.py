"""What we print and log of the words of others: a terminal obeys none of them, and none is without end."""

import json
from collections.abc import Iterator

import pytest
import structlog

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.configuration import Log
from pgbackstop_runner import terminal
from pgbackstop_runner.system import log
from tests.support import factories

HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e"
SHOWN = r"\u001b[2J\u001b]0;owned\u0007\u009b31m\u202e"


def test_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say(f"{HOSTILE}\nsecond line")
    terminal.complain(HOSTILE)
    out, err = capsys.readouterr()
    assert out == f"{SHOWN}\nsecond line\n"
    assert err == f"{SHOWN}\n"


def test_tables_and_progress(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.table([terminal.Column(title="name")], [[f"a{HOSTILE}\nb"]])
    progress = terminal.Progress(is_drawn=False)
    progress.show(f"a{HOSTILE}", 0.3)
    progress.step(HOSTILE)
    assert capsys.readouterr().out.replace(SHOWN, "").isascii()


def test_records_as_json_mean_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    record = factories.backup(1, factories.NOW, database=HOSTILE, message="é\n")
    terminal.values([record])
    out = capsys.readouterr().out
    assert "\x9b" not in out
    assert "\u202e" not in out
    assert json.loads(out)[0]["database"] == HOSTILE


def test_nothing_is_printed_without_end(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say("x" * 10**6)
    assert len(capsys.readouterr().out) < 21_000
    error = errors.PgbackstopError("y" * 10**6 + HOSTILE, remedy=HOSTILE)
    assert len(str(error)) < 9_000
    assert error.remedy == SHOWN


@pytest.fixture
def unconfigured() -> Iterator[None]:
    """Later tests log to a stream that is open."""
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("unconfigured")
@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_an_entry_of_the_log_is_one_bounded_line(capsys: pytest.CaptureFixture[str], style: str) -> None:
    log.configure(Log.model_validate({"format": style}))
    structlog.get_logger().error(
        "met", said=f"{HOSTILE}\nlevel=info event=forged", long="z" * 10**6, number=7
    )
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert len(err) < 3_000
    assert err.rstrip("\n").isprintable()
    if style == "json":
        assert json.loads(err)["said"].startswith(HOSTILE)
        assert json.loads(err)["number"] == 7
