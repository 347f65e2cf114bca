"""Logical restores: beside the live database, validated, swapped in by a rename, and back by another."""
