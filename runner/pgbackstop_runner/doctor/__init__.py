"""The doctor: what this machine lacks for backups, drills and recoveries, and how to get it."""
