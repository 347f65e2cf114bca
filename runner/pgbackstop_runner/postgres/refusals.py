"""Why PostgreSQL does not let a session or a stream of ours in, as a table for error_messages.meaning. Pure.

``{where}`` is the address, ``{user}`` the role, ``{database}`` and ``{slot}`` what was asked for, ``{words}``
what was answered.
"""

from __future__ import annotations

import re

from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner.postgres import error_messages
from pgbackstop_runner.postgres.error_messages import Meaning


def _means(pattern: str, sentence: str, remedy: str, reason: Reason = Reason.UNREACHABLE) -> Meaning:
    return Meaning(pattern=pattern, reason=reason, remedy=remedy, sentence=sentence)


_NO_PASSWORD = _means(
    pattern="no password supplied",
    sentence="PostgreSQL at {where} asks role {user} for a password, and none is configured.",
    remedy="Set password_file or password_command of the server, or let ~/.pgpass of this account (mode "
    "0600) have a line for it.",
)
_ANOTHER_ROLE = _means(
    pattern="session is (not )?read-only|server is (not )?in hot standby mode",
    sentence="No server at {where} is what target_session_attrs asks for.",
    remedy="See which of them is the primary and which answer; correct host or target_session_attrs of the "
    "server.",
)
_NO_SENDER = _means(
    pattern='exceeds "?max_wal_senders',
    sentence="All WAL senders of the server at {where} are in use.",
    remedy="Raise max_wal_senders of the server and restart it.",
)
_WRONG_PASSWORD = _means(
    pattern="password authentication failed|empty password",
    sentence="PostgreSQL at {where} refuses the password of role {user}.",
    remedy="Check user and password_file of the server, or what its password_command prints.",
)
_NO_DATABASE = _means(
    pattern=r"database \".*\" does not exist",
    reason=Reason.CONFIGURATION,
    sentence="There is no database {database!r} on the server at {where}.",
    remedy="Correct databases of the plan, or maintenance_database of the server.",
)
_NO_CONNECT = _means(
    pattern="permission denied for database",
    reason=Reason.RIGHTS,
    sentence="Role {user} may not connect to database {database!r} at {where}.",
    remedy="Grant it: see docs/how-to/create-the-role.md; or list the database under exclude_databases.",
)
_TAKES_NONE = _means(
    pattern="not currently accepting connections",
    reason=Reason.CONFIGURATION,
    sentence="Database {database!r} at {where} takes no connections.",
    remedy="Run: alter database ... allow_connections true; or list it under exclude_databases.",
)
_NOT_UP = _means(
    pattern="the database system is",
    sentence="PostgreSQL at {where} is starting, stopping or recovering.",
    remedy="Wait until it is up, and look at its log.",
)
_NO_LIBRARY = _means(
    pattern="could not (access|load)",
    sentence="PostgreSQL at {where} ends each session of role {user} in {database!r}: {words}.",
    remedy="Look at session_preload_libraries and local_preload_libraries of the server, the database and "
    "the role: a library that they name is not to be had.",
)
SESSIONS = (
    _NO_PASSWORD,
    _ANOTHER_ROLE,
    _means(
        pattern="authentication method requirement .* failed",
        sentence="What answers at {where} asks for the password in clear text, "
        "and nothing proves what it is.",
        remedy="Let pg_hba.conf of the server ask for scram-sha-256, or set sslmode: verify-full and "
        "sslrootcert.",
    ),
    _means(
        pattern="unsupported startup parameter",
        sentence="What answers at {where} is a connection pooler, and backups cannot be made through one.",
        remedy="Set host and port of the server to those of PostgreSQL itself.",
    ),
    _WRONG_PASSWORD,
    _NO_DATABASE,
    _NO_CONNECT,
    _TAKES_NONE,
    _means(
        pattern="is not permitted to log in",
        sentence="Role {user} may not log in at {where}.",
        remedy="Run: alter role {user} login.",
    ),
    _means(
        pattern="too many connections for role",
        sentence="Role {user} has as many connections to {where} as it may.",
        remedy="Run: alter role {user} connection limit -1; or end sessions of that role.",
    ),
    _means(
        pattern="too many connections for database",
        sentence="Database {database!r} at {where} has as many connections as it may.",
        remedy="Run: alter database ... connection limit -1; or end sessions in it.",
    ),
    _NO_SENDER,
    _means(
        pattern="too many clients|too many connections|remaining connection slots",
        sentence="PostgreSQL at {where} has no free connection.",
        remedy="Raise max_connections, or end sessions that are idle.",
    ),
    _NOT_UP,
    _means(
        pattern=r"role \".*\" does not exist",
        sentence="There is no role {user!r} on the server at {where}.",
        remedy="Create it as docs/how-to/create-the-role.md shows, or correct user of the server.",
    ),
    _means(
        pattern="could not translate host name|Name or service not known|failed to resolve",
        sentence="The host of {where} is unknown.",
        remedy="Correct host of the server, or the name service of this machine.",
    ),
    _means(
        pattern="no pg_hba.conf entry|pg_hba.conf rejects",
        sentence="PostgreSQL at {where} lets role {user} not into {database!r} from here.",
        remedy="Add a line for it to pg_hba.conf, before any that rejects it, and reload.",
    ),
    _means(
        pattern="[Aa]uthentication failed",  # Peer, Ident, LDAP, PAM, certificate and others
        sentence="PostgreSQL at {where} does not take this account for role {user}: {words}.",
        remedy="See which method pg_hba.conf of the server names for the role: peer and ident ask for an "
        "account of the same name, or for a line in pg_ident.conf.",
    ),
    _means(
        pattern="cannot connect to invalid database",
        reason=Reason.CONFIGURATION,
        sentence="Database {database!r} at {where} is what an interrupted DROP DATABASE has left.",
        remedy="Drop it, or take it out of databases of the plan.",
    ),
    _means(
        pattern="received invalid response|expected authentication request",
        sentence="What answers at {where} is not PostgreSQL.",
        remedy="Correct host and port of the server.",
    ),
    _means(
        pattern='failed: [^"]*(SSL|certificate)',
        sentence="A connection by TLS to PostgreSQL at {where} cannot be made: {words}.",
        remedy="See sslmode, sslrootcert, sslcert and sslkey of the server here, and ssl of the server "
        "itself, with its certificate.",
    ),
    _means(
        pattern="Connection refused|No such file or directory",
        sentence="Nothing answers at {where}.",
        remedy="Check that PostgreSQL runs and that host and port of the server are right.",
    ),
    _means(
        pattern="timeout expired|timed out",
        sentence="PostgreSQL at {where} does not answer in time.",
        remedy="Check the network and the server; connect_timeout of the server sets the limit.",
    ),
    _NO_LIBRARY,
)
# By SQLSTATE, where the server speaks another language: one of them has several causes, and tells of its own.
STATES = {
    "28P01": _WRONG_PASSWORD,
    "28000": _means(
        pattern="",
        sentence="PostgreSQL at {where} lets role {user} not into {database!r} from here: {words}.",
        remedy="Look at pg_hba.conf of the server, and whether the role exists and may log in.",
    ),
    "3D000": _NO_DATABASE,
    "42501": _NO_CONNECT,
    "53300": _means(
        pattern="",
        sentence="PostgreSQL at {where} has no free connection for role {user} to {database!r}: {words}.",
        remedy="Raise max_connections, or the connection limit of the role or the database; or end sessions "
        "that are idle.",
    ),
    "55000": _TAKES_NONE,
    "57P03": _NOT_UP,
    "58P01": _NO_LIBRARY,
}
# The last words of pg_receivewal.
STREAMING = (
    _NO_PASSWORD,
    _ANOTHER_ROLE,
    _WRONG_PASSWORD,
    _means(
        pattern="no pg_hba.conf entry",
        sentence="PostgreSQL at {where} has no pg_hba.conf line that lets role {user} in for replication.",
        remedy="Add 'host replication {user} <address of this machine> scram-sha-256' and reload.",
    ),
    _means(
        pattern="replication role to start walsender|permission denied to start WAL sender",
        sentence="The role {user} lacks the REPLICATION attribute, which streaming WAL needs.",
        remedy="Run ALTER ROLE {user} REPLICATION as superuser.",
    ),
    _NO_SENDER,
    _means(
        pattern="is active for PID",
        sentence="The replication slot {slot} is in use by another receiver.",
        remedy="End that one, or give this server a slot of its own (wal.slot).",
    ),
    _means(
        pattern="replication slot .* does not exist",
        sentence="The replication slot {slot} is gone.",
        remedy="It is made anew with the next attempt.",
    ),
    _means(
        pattern="No space left on device",
        sentence="The disk of the WAL archive is full.",
        remedy="Make room; the server keeps the WAL until then.",
    ),
    _means(
        pattern='(?m)could not send replication command "START_REPLICATION": *$',
        sentence="The server at {where} was promoted where the received WAL ends.",
        remedy="Its new timeline is followed by itself.",
    ),
    _means(
        pattern="has already been removed",
        sentence="The server at {where} has removed WAL that was not received yet.",
        remedy="A new base backup makes the gap harmless.",
    ),
    _means(
        pattern="Connection refused|could not connect|the database system is|closed the connection"
        "|terminating",
        sentence="The connection to PostgreSQL at {where} was lost.",
        remedy="It is made again by itself; check that the server runs.",
    ),
)
# What a setting of a server, database or role does to a session that is not told another.
_BY_SETTINGS = rf"terminating connection due to|{_NO_LIBRARY.pattern}|CONTEXT:"
_OF_OPTIONS = r"unrecognized configuration parameter|permission denied to set parameter"
_OF_OPTIONS_STATES = frozenset({"42704", "42501"})


def is_known(words: str) -> bool:
    """Whether a refusal is told in words that are recognised."""
    found = error_messages.meaning(words, SESSIONS)
    return found is not None or re.search(f"{_BY_SETTINGS}|{_OF_OPTIONS}", words) is not None


def is_by_settings(words: str, state: str | None) -> bool:
    """Whether a session may have been refused, or ended, by what others set for it."""
    if re.search(_BY_SETTINGS, words) is not None:
        return True
    return state is not None and STATES.get(state) in {None, _NO_LIBRARY}


def is_of_options(words: str, state: str | None) -> bool:
    """Whether a session was refused for an option that its version does not know, or its role may not set."""
    return re.search(_OF_OPTIONS, words) is not None or state in _OF_OPTIONS_STATES
