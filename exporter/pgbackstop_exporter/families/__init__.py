"""Metric families: samples made of one snapshot."""
