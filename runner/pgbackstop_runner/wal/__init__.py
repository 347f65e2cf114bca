"""Continuous WAL: receive or take in, check, hash, place, index, copy; its gaps, conflicts and state."""
