"""The pins of the PostgreSQL wheels cover what the tests run against."""

from tests.support import binaries, install_postgres


def test_every_supported_major_is_pinned_with_a_hash() -> None:
    pins = install_postgres.read_pins(install_postgres.PINS.read_text())
    assert tuple(pin.major for pin in pins) == binaries.MAJORS
    assert all("--hash=sha256:" in pin.line for pin in pins)


def test_comments_and_blank_lines_are_skipped() -> None:
    text = "# why\n\npostgresql-binaries==17.11.0 --hash=sha256:00\n"
    assert [pin.major for pin in install_postgres.read_pins(text)] == [17]
