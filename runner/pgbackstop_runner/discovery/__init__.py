"""Servers that somebody else lists, in Prometheus' formats: asked for, judged, kept while nobody answers."""
