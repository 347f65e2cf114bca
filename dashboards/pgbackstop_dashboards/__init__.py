"""The dashboards of pgbackstop for Grafana, as code; the JSON beside this package is generated from it.

Used when building the project only: neither the runner nor the exporter imports it. Everything but
``pgbackstop_dashboards.grafana`` is pure values; that one module knows the SDK.
"""
