"""The command line and the log."""

import json
import logging
from collections.abc import Iterator

import pytest

from pgbackstop_catalog import errors
from pgbackstop_exporter import log, main


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:9853", ("127.0.0.1", 9853)),
        ("[::1]:9853", ("::1", 9853)),
        (":9853", (None, 9853)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_an_address_to_listen_on(text: str, expected: tuple[str | None, int]) -> None:
    assert main.listen_address(text) == expected


@pytest.mark.parametrize(
    "text", ["", "9853", "localhost", "localhost:", "localhost:65536", "::1:9853", "a:b"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(errors.ConfigError, match="no address"):
        main.listen_address(text)


def test_the_default_listens_on_loopback_only() -> None:
    assert main.parser().parse_args([]).addresses is None
    assert main.listen_address(main.DEFAULT_ADDRESS) == ("127.0.0.1", 9853)


def _line(capsys: pytest.CaptureFixture[str], style: str) -> str:
    log.configure(level="info", style=style)
    log.info("listening", address="127.0.0.1:9853", why='a "b"')
    return capsys.readouterr().err


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_a_line_is_logfmt(capsys: pytest.CaptureFixture[str]) -> None:
    line = _line(capsys, "logfmt")
    assert line.startswith("timestamp=20")
    assert line.endswith('level=info event=listening address=127.0.0.1:9853 why="a \\"b\\""\n')


def test_a_line_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(_line(capsys, "json"))
    assert found.pop("timestamp").endswith("Z")
    assert found == {"level": "info", "event": "listening", "address": "127.0.0.1:9853", "why": 'a "b"'}


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(level="warning", style="logfmt")
    log.info("listening")
    assert capsys.readouterr().err == ""


def test_a_bug_has_its_traceback_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(level="error", style="logfmt")
    log.bug("met a bug", ZeroDivisionError("by zero"))
    line = capsys.readouterr().err
    assert "ZeroDivisionError: by zero" in line
    assert line.count("\n") == 1
