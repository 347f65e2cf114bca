"""The metrics of the exporter, as typed values: the only place where a metric's name stands."""
