"""Drills: a backup restored for real into a throw-away server, to prove it and measure how long it takes."""
