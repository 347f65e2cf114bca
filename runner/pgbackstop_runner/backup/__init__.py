"""One backup: checked before, dumped or copied by PostgreSQL's own tools, hashed, committed, on record."""
