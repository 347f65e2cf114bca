"""Recoveries of a whole server, to a moment too, into an empty data directory."""
