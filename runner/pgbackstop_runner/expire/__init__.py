"""Retention: what is kept and why, and the removal of the rest, WAL included."""
