"""Stored backups read back: every byte, by PostgreSQL's own tools, with the result on record as a proof."""
