"""Sources: what the exporter reads, each by a collector of its own."""
