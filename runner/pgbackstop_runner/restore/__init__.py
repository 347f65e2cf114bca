"""Logical restores: beside the live database, validated, swapped in by a rename, and back by another.

choose     which backup, and why
integrity  that its bytes are those that were stored, before anything is touched
script     the statements of a dump, split as psql would
blueprint  what a dump says about its database: owner, locale, settings, roles, extensions
target     the server that is restored into: its databases, and what can be done with them
outline    what a restore will do, for people and the dry run
needs      what it needs from the server
survey     finding all that out, without touching anything
journal    the restore's record from its first line to its last
fill       pg_restore and psql
swap       ending connections and renaming, in one transaction
flow       all of it, top to bottom; undo, drop and clean
"""
