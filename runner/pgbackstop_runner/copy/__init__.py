"""Copies of backups in further storages, and a catalog made anew from the records beside the bytes."""
