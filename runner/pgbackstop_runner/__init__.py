"""Makes, stores, checks and expires backups; the command line and the daemon."""
