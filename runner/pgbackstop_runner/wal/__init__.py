"""Continuous WAL: receive or take in, check, hash, place, index, copy; gaps, conflicts and the state of it all."""
