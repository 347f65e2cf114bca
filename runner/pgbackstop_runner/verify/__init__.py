"""Reading stored backups back: every byte, by PostgreSQL's own tools, with the result on record as a proof.

fresh      a dump's list of contents, before the dump is committed
run        a proof of a stored backup: by ``pgbackstop verify``, and after each backup
targets    which backups a request means
checks     the checks of one backup, in their order
files      sizes and SHA-256 of every file
dump       a logical backup, read by pg_restore to nowhere; rows counted on the way (rows)
cluster    a physical backup: pg_verifybackup, its own WAL, its chain
archive    the WAL archive that follows a physical backup
frames     whether a zstd file ends where its last frame ends
"""
