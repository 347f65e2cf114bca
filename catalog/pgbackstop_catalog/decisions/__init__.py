"""Decisions: pure functions over records that return their reasons."""
