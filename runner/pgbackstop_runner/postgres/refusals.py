"""Why PostgreSQL does not let a session or a stream of ours in, as a table for error_messages.meaning. Pure.

``{where}`` is the address, ``{user}`` the role, ``{database}`` and ``{slot}`` what was asked for, ``{words}``
what was answered.
"""

from __future__ import annotations

import re

from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner.postgres import error_messages
from pgbackstop_runner.postgres.error_messages import Meaning

_NO_PASSWORD = Meaning(
    pattern="no password supplied",
    reason=Reason.UNREACHABLE,
    sentence="PostgreSQL at {where} asks role {user} for a password, and none is configured.",
    remedy="Set password_file or password_command of the server, or let ~/.pgpass of this account (mode "
    "0600) have a line for it.",
)
_ANOTHER_ROLE = Meaning(
    pattern="session is (not )?read-only|server is (not )?in hot standby mode",
    reason=Reason.UNREACHABLE,
    sentence="No server at {where} is what target_session_attrs asks for.",
    remedy="See which of them is the primary and which answer; correct host or target_session_attrs of the "
    "server.",
)
_NO_SENDER = Meaning(
    pattern='exceeds "?max_wal_senders',
    reason=Reason.UNREACHABLE,
    sentence="All WAL senders of the server at {where} are in use.",
    remedy="Raise max_wal_senders of the server and restart it.",
)
_WRONG_PASSWORD = Meaning(
    pattern="password authentication failed|empty password",
    reason=Reason.UNREACHABLE,
    sentence="PostgreSQL at {where} refuses the password of role {user}.",
    remedy="Check user and password_file of the server, or what its password_command prints.",
)
_NO_DATABASE = Meaning(
    pattern=r"database \".*\" does not exist",
    reason=Reason.CONFIGURATION,
    sentence="There is no database {database!r} on the server at {where}.",
    remedy="Correct databases of the plan, or maintenance_database of the server.",
)
_NO_CONNECT = Meaning(
    pattern="permission denied for database",
    reason=Reason.RIGHTS,
    sentence="Role {user} may not connect to database {database!r} at {where}.",
    remedy="Grant it: see docs/how-to/create-the-role.md; or list the database under exclude_databases.",
)
_TAKES_NONE = Meaning(
    pattern="not currently accepting connections",
    reason=Reason.CONFIGURATION,
    sentence="Database {database!r} at {where} takes no connections.",
    remedy="Run: alter database ... allow_connections true; or list it under exclude_databases.",
)
_NOT_UP = Meaning(
    pattern="the database system is",
    reason=Reason.UNREACHABLE,
    sentence="PostgreSQL at {where} is starting, stopping or recovering.",
    remedy="Wait until it is up, and look at its log.",
)
_NO_LIBRARY = Meaning(
    pattern="could not (access|load)",
    reason=Reason.UNREACHABLE,
    sentence="PostgreSQL at {where} ends each session of role {user} in {database!r}: {words}.",
    remedy="Look at session_preload_libraries and local_preload_libraries of the server, the database and "
    "the role: a library that they name is not to be had.",
)
SESSIONS = (
    _NO_PASSWORD,
    _ANOTHER_ROLE,
    Meaning(
        pattern="authentication method requirement .* failed",
        reason=Reason.UNREACHABLE,
        sentence="What answers at {where} asks for the password in clear text, "
        "and nothing proves what it is.",
        remedy="Let pg_hba.conf of the server ask for scram-sha-256, or set sslmode: verify-full and "
        "sslrootcert.",
    ),
    Meaning(
        pattern="unsupported startup parameter",
        reason=Reason.UNREACHABLE,
        sentence="What answers at {where} is a connection pooler, and backups cannot be made through one.",
        remedy="Set host and port of the server to those of PostgreSQL itself.",
    ),
    _WRONG_PASSWORD,
    _NO_DATABASE,
    _NO_CONNECT,
    _TAKES_NONE,
    Meaning(
        pattern="is not permitted to log in",
        reason=Reason.UNREACHABLE,
        sentence="Role {user} may not log in at {where}.",
        remedy="Run: alter role {user} login.",
    ),
    Meaning(
        pattern="too many connections for role",
        reason=Reason.UNREACHABLE,
        sentence="Role {user} has as many connections to {where} as it may.",
        remedy="Run: alter role {user} connection limit -1; or end sessions of that role.",
    ),
    Meaning(
        pattern="too many connections for database",
        reason=Reason.UNREACHABLE,
        sentence="Database {database!r} at {where} has as many connections as it may.",
        remedy="Run: alter database ... connection limit -1; or end sessions in it.",
    ),
    _NO_SENDER,
    Meaning(
        pattern="too many clients|too many connections|remaining connection slots",
        reason=Reason.UNREACHABLE,
        sentence="PostgreSQL at {where} has no free connection.",
        remedy="Raise max_connections, or end sessions that are idle.",
    ),
    _NOT_UP,
    Meaning(
        pattern=r"role \".*\" does not exist",
        reason=Reason.UNREACHABLE,
        sentence="There is no role {user!r} on the server at {where}.",
        remedy="Create it as docs/how-to/create-the-role.md shows, or correct user of the server.",
    ),
    Meaning(
        pattern="could not translate host name|Name or service not known|failed to resolve",
        reason=Reason.UNREACHABLE,
        sentence="The host of {where} is unknown.",
        remedy="Correct host of the server, or the name service of this machine.",
    ),
    Meaning(
        pattern="no pg_hba.conf entry|pg_hba.conf rejects",
        reason=Reason.UNREACHABLE,
        sentence="PostgreSQL at {where} lets role {user} not into {database!r} from here.",
        remedy="Add a line for it to pg_hba.conf, before any that rejects it, and reload.",
    ),
    Meaning(
        pattern="[Aa]uthentication failed",  # Peer, Ident, LDAP, PAM, certificate and others
        reason=Reason.UNREACHABLE,
        sentence="PostgreSQL at {where} does not take this account for role {user}: {words}.",
        remedy="See which method pg_hba.conf of the server names for the role: peer and ident ask for an "
        "account of the same name, or for a line in pg_ident.conf.",
    ),
    Meaning(
        pattern="cannot connect to invalid database",
        reason=Reason.CONFIGURATION,
        sentence="Database {database!r} at {where} is what an interrupted DROP DATABASE has left.",
        remedy="Drop it, or take it out of databases of the plan.",
    ),
    Meaning(
        pattern="received invalid response|expected authentication request",
        reason=Reason.UNREACHABLE,
        sentence="What answers at {where} is not PostgreSQL.",
        remedy="Correct host and port of the server.",
    ),
    Meaning(
        pattern='failed: [^"]*(SSL|certificate)',
        reason=Reason.UNREACHABLE,
        sentence="A connection by TLS to PostgreSQL at {where} cannot be made: {words}.",
        remedy="See sslmode, sslrootcert, sslcert and sslkey of the server here, and ssl of the server "
        "itself, with its certificate.",
    ),
    Meaning(
        pattern="Connection refused|No such file or directory",
        reason=Reason.UNREACHABLE,
        sentence="Nothing answers at {where}.",
        remedy="Check that PostgreSQL runs and that host and port of the server are right.",
    ),
    Meaning(
        pattern="timeout expired|timed out",
        reason=Reason.UNREACHABLE,
        sentence="PostgreSQL at {where} does not answer in time.",
        remedy="Check the network and the server; connect_timeout of the server sets the limit.",
    ),
    _NO_LIBRARY,
)
# By SQLSTATE, where the server speaks another language: one of them has several causes, and tells of its own.
STATES = {
    "28P01": _WRONG_PASSWORD,
    "28000": Meaning(
        pattern="",
        reason=Reason.UNREACHABLE,
        sentence="PostgreSQL at {where} lets role {user} not into {database!r} from here: {words}.",
        remedy="Look at pg_hba.conf of the server, and whether the role exists and may log in.",
    ),
    "3D000": _NO_DATABASE,
    "42501": _NO_CONNECT,
    "53300": Meaning(
        pattern="",
        reason=Reason.UNREACHABLE,
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
    Meaning(
        pattern="password authentication failed",
        reason=Reason.UNREACHABLE,
        sentence="PostgreSQL at {where} refuses the password of role {user}.",
        remedy="Check user and password_file of the server, or what its password_command prints.",
    ),
    Meaning(
        pattern="no pg_hba.conf entry",
        reason=Reason.UNREACHABLE,
        sentence="PostgreSQL at {where} has no pg_hba.conf line that lets role {user} in for replication.",
        remedy="Add 'host replication {user} <address of this machine> scram-sha-256' and reload.",
    ),
    Meaning(
        pattern="replication role to start walsender|permission denied to start WAL sender",
        reason=Reason.UNREACHABLE,
        sentence="The role {user} lacks the REPLICATION attribute, which streaming WAL needs.",
        remedy="Run ALTER ROLE {user} REPLICATION as superuser.",
    ),
    _NO_SENDER,
    Meaning(
        pattern="is active for PID",
        reason=Reason.UNREACHABLE,
        sentence="The replication slot {slot} is in use by another receiver.",
        remedy="End that one, or give this server a slot of its own (wal.slot).",
    ),
    Meaning(
        pattern="replication slot .* does not exist",
        reason=Reason.UNREACHABLE,
        sentence="The replication slot {slot} is gone.",
        remedy="It is made anew with the next attempt.",
    ),
    Meaning(
        pattern="No space left on device",
        reason=Reason.UNREACHABLE,
        sentence="The disk of the WAL archive is full.",
        remedy="Make room; the server keeps the WAL until then.",
    ),
    Meaning(
        pattern='(?m)could not send replication command "START_REPLICATION": *$',
        reason=Reason.UNREACHABLE,
        sentence="The server at {where} was promoted where the received WAL ends.",
        remedy="Its new timeline is followed by itself.",
    ),
    Meaning(
        pattern="has already been removed",
        reason=Reason.UNREACHABLE,
        sentence="The server at {where} has removed WAL that was not received yet.",
        remedy="A new base backup makes the gap harmless.",
    ),
    Meaning(
        pattern="Connection refused|could not connect|the database system is|closed the connection"
        "|terminating",
        reason=Reason.UNREACHABLE,
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
