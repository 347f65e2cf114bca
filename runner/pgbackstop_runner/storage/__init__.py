"""Storages: places for bytes behind one protocol, and a backup's folder in one."""
