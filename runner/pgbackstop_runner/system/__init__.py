"""The operating system: processes, signals, locks, accounts, files, streams of bytes, the log."""
