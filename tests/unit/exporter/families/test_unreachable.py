"""Why a server did not answer: what libpq and PostgreSQL say, in a few words that are fixed."""

from __future__ import annotations

import pytest

from pgbackstop_exporter.families import unreachable

SAID = "PostgreSQL at db.example:5432 did not answer: connection failed: connection to server at "


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ('"10.0.0.1", port 5432 failed: Connection refused', "connection refused"),
        ('"10.0.0.1", port 5432 failed: timeout expired', "no answer in time"),
        ("no answer within 5 s", "no answer in time"),
        ('could not translate host name "db" to address: Name or service not known', "unknown host name"),
        ('on socket "/run/.s.PGSQL.5432" failed: No such file or directory', "no such socket"),
        ('FATAL: password authentication failed for user "exporter"', "login refused"),
        ('FATAL: no pg_hba.conf entry for host "::1", user "x", no encryption', "pg_hba.conf lets us not in"),
        ("FATAL: sorry, too many clients already", "too many connections"),
        ("FATAL: the database system is starting up", "it is starting or stopping"),
        ("SSL error: certificate verify failed", "TLS failed"),
        ('FATAL: role "exporter" does not exist', "no such role or database"),
        ("server closed the connection unexpectedly", "connection lost"),
        ("FATAL: \u043f\u0430\u0440\u043e\u043b\u044c", unreachable.OTHER),
        ("", unreachable.OTHER),
    ],
)
def test_the_reason(said: str, reason: str) -> None:
    assert unreachable.reason(SAID + said) == reason
