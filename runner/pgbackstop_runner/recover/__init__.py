"""Physical recovery: a data directory from a base backup, and WAL up to the moment that was asked for."""
