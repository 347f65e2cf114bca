"""Continuous WAL: receive or take in, check, hash, place, index; gaps, conflicts and the state of it all.

receive     the supervised loop of ``pgbackstop wal receive``
stream      pg_receivewal: how it starts, where, and what its last words mean
slot        the replication slot on the server
sampler     a thread that asks the server once a second where it stands
archive     the folder: segments are taken in, never overwritten
index       writing ``index.jsonl``
gaps        what is missing, since when, and whether a base backup made it harmless
progress    what the receiver knows, as a WalState
status      what ``pgbackstop wal status`` shows
command     the archive_command alternative
"""
