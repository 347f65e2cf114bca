"""Why a server did not answer: what libpq and PostgreSQL say, in a few words that are fixed."""

from __future__ import annotations

import pytest

from pgbackstop_exporter import unreachable

SAID = "PostgreSQL at db.example:5432 did not answer: connection failed: connection to server at "


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ('"10.0.0.1", port 5432 failed: Connection refused', "connection refused"),
        ('"10.0.0.1", port 5432 failed: timeout expired', "no answer in time"),
        ('could not translate host name "db" to address: Name or service not known', "unknown host name"),
        ('on socket "/run/.s.PGSQL.5432" failed: No such file or directory', "no such socket"),
        ('FATAL: password authentication failed for user "exporter"', "login refused"),
        ('FATAL: no pg_hba.conf entry for host "::1", user "x", no encryption', "pg_hba.conf lets us not in"),
        ("FATAL: sorry, too many clients already", "too many connections"),
        ("FATAL: the database system is starting up", "it is starting or stopping"),
        ("SSL error: certificate verify failed", "TLS failed"),
        ('FATAL: role "exporter" does not exist', "no such role or database"),
        ("server closed the connection unexpectedly", "connection lost"),
        ("FATAL: \u043f\u0430\u0440\u043e\u043b\u044c", None),
        ("", None),
    ],
)
def test_what_words_mean(said: str, reason: str | None) -> None:
    assert unreachable.of_words(SAID + said) == reason


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("28P01", "login refused"),
        ("28000", None),  # pg_hba.conf, a role that is not there, one that may not log in
        ("57P03", "it is starting or stopping"),
        ("57P01", "connection lost"),
        ("08006", "connection lost"),
        ("57014", "no answer in time"),
        ("42501", "permission denied"),
        ("XX000", None),
        (None, None),
    ],
)
def test_what_an_sqlstate_means(state: str | None, reason: str | None) -> None:
    assert unreachable.of_state(state) == reason


def test_all_of_them_are_known_to_the_dashboards() -> None:
    assert {words for _state, words in unreachable._STATES} <= set(unreachable.WORDS)
