"""Drills: a real restore or recovery into a throw-away server, checked, timed, and on record as a proof."""
